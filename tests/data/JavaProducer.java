import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Publishes each line of standard input to partition 0: broker, topic and codec are its arguments. */
public class JavaProducer {
    public static void main(String[] told) throws Exception {
        Properties options = new Properties();
        options.put("bootstrap.servers", told[0]);
        options.put("compression.type", told[2]);
        options.put("linger.ms", "50");
        options.put("acks", "all");
        ByteArraySerializer plain = new ByteArraySerializer();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(options, plain, plain)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                producer.send(new ProducerRecord<>(told[1], 0, null, line.getBytes(StandardCharsets.UTF_8)));
            }
            producer.flush();
        }
    }
}
