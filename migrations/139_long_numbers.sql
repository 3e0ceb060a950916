-- migrate:up

-- How many bytes a document has as text, as far as `most`: a number such as 1e131071 has six bytes as it is stored and
-- 131,072 as text, so a row of some KB may have more text than PostgreSQL can hold in one value.
CREATE FUNCTION shw_json_bytes(document jsonb, most bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
  counted bigint := pg_column_size(document || '[]'::jsonb);  -- as it is without compression
  number jsonb;
BEGIN
  IF document IS NULL THEN
    RETURN 0;
  END IF;
  IF counted > most THEN
    RETURN counted;
  END IF;
  counted := 0;
  FOR number IN SELECT jsonb_path_query(document, 'strict $.** ? (@.type() == "number")') LOOP
    counted := counted + octet_length(number::text);
    IF counted > most THEN
      RETURN counted;
    END IF;
  END LOOP;
  RETURN octet_length(document::text);
END
$$;
-- It runs as the owner: members may not call the one above.
CREATE OR REPLACE FUNCTION shw_size_counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
  SET search_path FROM CURRENT AS $$
BEGIN
  NEW.size := octet_length(NEW.workflow_name) + octet_length(NEW.failure_reason)
              + shw_json_bytes(NEW.context, 67108864);
  RETURN NEW;
END
$$;

SELECT shw_keep_private();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'Migrations go forward only: restore a backup to go back.'; END $$;
