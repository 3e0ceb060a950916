// The healer's contract: events and commands. Generated from its models by `shw schemas --write`; do not edit.
// A reader treats an unknown value of an enumeration as "something else": new ones are compatible changes.

/** A plan that waits for a yes; approve it by its hash and the step of its event. */
export interface ApprovalRequest {
  /** What would be done, whole and redacted; empty where the event is cut. */
  plan: Record<string, unknown>;
  /** SHA-256 of the plan's JSON, members sorted, no spaces: a changed plan needs a new approval. */
  plan_hash: string;
  /** Which strategy would do it. */
  strategy: StrategyName;
  /** What it would hold, AUD. */
  credits?: string;
  /** After this the answer comes too late; or when it was approved. */
  expires_at: string;
  /** What the catalog marks it for, in words. */
  why?: string[];
  /** Why the failure type, as in a result. */
  evidence?: DiagnosisEvidence[];
  /** The number of this question, from 1. */
  asked?: number;
  /** How often it is asked for at most; silence is never a yes. */
  asks?: number;
  /** How many people have to approve. */
  approvers?: number;
  /** Who has approved it: given where an approval with changes made it another plan. */
  approved_by?: string[];
}

/** The plan with this hash may run; with changes, the plan that it becomes by them. */
export interface Approve {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure whose plan is answered. */
  failure_id: string;
  /** The hash that was published; a plan that has changed is not touched. */
  plan_hash: string;
  /** The step of the status event that asked for it. */
  step: number;
  command: "approve";
  /** New parts of the context, each whole: `payload` (schema-autofix), `request` (auto-retry). */
  changes?: Record<string, unknown> | null;
}

/** One demand on a JSON body; every check that is given has to hold. */
export interface Assertion {
  /** RFC 6901 pointer; empty for the whole body. */
  path: string;
  /** Whether there is anything at the path. */
  exists?: boolean | null;
  /** What has to be there; counts when given, also as null. */
  equals?: unknown;
  /** One of these has to be there. */
  one_of?: unknown[] | null;
  /** A number not below this has to be there. */
  min?: number | null;
  /** A number not above this has to be there. */
  max?: number | null;
}

/** The asset that is missing or broken. */
export interface AssetContext {
  /** The asset's id. */
  id: string;
  /** What it is, and so how it is checked. */
  kind?: AssetKind;
  /** Where its users find it once it is there: what is fetched from there is the proof. */
  url?: string | null;
  /** The catalog's name of what makes it; tried first, where the catalog lists it. */
  generator?: string | null;
  /** What it was made from; of a voice, the text that is spoken. */
  prompt?: string | null;
  /** Of sound: whether the prompt is spoken; where not, it describes a sound. */
  spoken?: boolean;
  /** The voice that speaks, as its generator names it. */
  voice?: string | null;
  /** Its format, such as `png` or `mp3`. */
  format?: string | null;
  /** The generator's other input. */
  parameters?: Record<string, unknown>;
  /** Its media type. */
  content_type?: string | null;
  /** In pixels. */
  width?: number | null;
  /** In pixels. */
  height?: number | null;
  /** Whether it has to have transparent places. */
  transparent?: boolean | null;
  /** How long it lasts, in seconds. */
  seconds?: number | null;
  /** Smaller than this it is not believed. */
  min_bytes?: number | null;
}

/** What an asset is, and so how it is checked. */
export type AssetKind = "image" | "audio" | "video" | "other";

/** Where the calls to a dependency go. */
export type BindingState = "first" | "canary" | "whole" | "returning";

/** Which budget of its organisation's wallet pays for a heal; the platform's own words. */
export type Budget = "text" | "voice";

/** The budget of an organisation runs low: told once for each threshold until it is filled again. */
export interface BudgetWarning {
  /** The warning, as it stands in `usage_warnings`; also the event's id. */
  warning_id: string;
  /** The organisation; also the event's subject and the record's key. */
  org_id: string;
  /** Which budget, and how low. */
  warning_type: BudgetWarningKind;
  /** The threshold that it fell to or below. */
  threshold_percent: number;
  /** What is left, with what heals under way hold, AUD. */
  remaining: string;
  /** What was there when it was last filled, AUD: the 100 %. */
  filled: string;
  /** The same in words. */
  message: string;
  /** When it was seen. */
  warned_at: string;
}

/** Which budget of an organisation runs low; the platform's own words. */
export type BudgetWarningKind = "text_low" | "text_critical" | "voice_low" | "voice_critical";

/** Freeze the ids of all failures that a filter finds now, and say how many, and what they may cost. */
export interface Bulk {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  command: "bulk";
  /** Of this organisation only; null: of all. */
  org_id?: string | null;
  /** What is done to each once it is started. */
  action: BulkAction;
  /** Which failures. */
  filter?: BulkFilter;
  /** How many a second at most, over all replicas. */
  rate?: number;
}

/** What a bulk does to each of its failures: as the command of that name does to one. */
export type BulkAction = "heal" | "give_up" | "resolve" | "did_not_happen";

/** Which failures; all of it has to hold. */
export interface BulkFilter {
  /** Of this workflow; null: of all. */
  workflow_name?: string | null;
  /** Diagnosed as this; null: as anything. */
  failure_type?: FailureType | null;
  /** Whose last attempt has this code; null: whatever it has. */
  code?: Code | null;
  /** Of this cause, as `shw failures --top --json` names it; null: of any. */
  fingerprint?: string | null;
  /** Whose dependency has this name, or whose call this host; null: any. */
  target?: string | null;
  /** Standing so; not given: all that are open. */
  statuses?: Status[];
  /** Detected then or later; null: at any time. */
  detected_since?: string | null;
  /** Detected earlier; null: at any time. */
  detected_before?: string | null;
}

/** What became of one failure of a bulk. */
export interface BulkOutcome {
  /** The failure. */
  failure_id: string;
  /** As the command for it alone would be answered. */
  outcome: CommandOutcome;
  /** Why it was refused, in words. */
  reason?: string;
  /** Of a heal: how the first attempt since then ended. */
  result?: Result | null;
}

/** What a bulk has frozen. */
export interface BulkPreview {
  /** Its id, for `bulk_start` and `bulk_stop`. */
  bulk_id: string;
  /** How many failures. */
  failures: number;
  /** What one attempt for each may cost together; null where that cannot be told. */
  at_most_aud?: string | null;
}

/** How far a bulk is, with the outcomes since the event before; the event's id is `bulk_id:number`. */
export interface BulkProgress {
  /** The bulk. */
  bulk_id: string;
  /** Counts its events, from 1: none is left out. */
  number: number;
  /** Its organisation; null: all. */
  org_id?: string | null;
  /** What is done to each. */
  action: BulkAction;
  /** Where it stands. */
  state: BulkState;
  /** How many are frozen. */
  failures: number;
  /** Not done yet. */
  waiting: number;
  /** Done. */
  accepted: number;
  /** It was so before. */
  already: number;
  /** Refused, or not found any more. */
  refused: number;
  /** Of the accepted heals: not ended yet. */
  under_way: number;
  /** Of the accepted heals: ended with success. */
  healed: number;
  /** Of each failure that has changed since. */
  outcomes?: BulkOutcome[];
  /** When this was so. */
  at: string;
}

/** Do what was frozen, or go on with what was stopped. */
export interface BulkStart {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The bulk's organisation; null: that of all. */
  org_id?: string | null;
  /** The bulk, as the answer to its command named it. */
  bulk_id: string;
  command: "bulk_start";
}

/** Where a bulk stands. */
export type BulkState = "previewed" | "running" | "stopped" | "done";

/** Do nothing more of it; what was asked for already goes on. */
export interface BulkStop {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The bulk's organisation; null: that of all. */
  org_id?: string | null;
  /** The bulk, as the answer to its command named it. */
  bulk_id: string;
  command: "bulk_stop";
}

/** Why an attempt did not succeed; of those that did, only `recovered` and `relinked` have one. */
export type Code = "not_healed" | "unverified" | "missing_context" | "insufficient_credits" | "refused" | "denied" | "awaiting_approval" | "needs_person" | "unanswered" | "not_installed" | "retry_later" | "paused" | "shadow" | "crashed" | "interrupted" | "recovered" | "relinked";

/** What a supervisor may ask for. */
export type CommandName = "approve" | "deny" | "heal" | "give_up" | "resolve" | "did_not_happen" | "edit" | "bulk" | "bulk_start" | "bulk_stop" | "pause" | "resume";

/** What became of a command. */
export type CommandOutcome = "accepted" | "already" | "refused" | "not_found";

/** What became of a command; the event's id is `issuer:command_id`, and longer where it was refused at the door. */
export interface CommandResult {
  /** The command's id: the `jti` of its token. */
  command_id: string;
  /** Whose key signed it, as the healer's key file has it; ids are unique within one. */
  issuer: string;
  /** What was asked for; null where the token did not say it in this contract's words. */
  command?: CommandName | null;
  /** Who asked, as the command says, and the issuer who vouches for it. */
  issued_by?: string;
  /** The key that signed it; empty for one that was not signed. */
  key_id?: string;
  /** What became of it. */
  outcome: CommandOutcome;
  /** Why it was refused, in words. */
  reason?: string;
  /** The organisation that the command named. */
  org_id?: string | null;
  /** The failure that the command named. */
  failure_id?: string | null;
  /** What a bulk has frozen, in the answer to its command. */
  bulk?: BulkPreview | null;
  /** The pauses that were made or ended. */
  pauses?: string[];
  /** The plan that was approved: with changes another one than was asked for. */
  plan_hash?: string | null;
  /** When it was decided. */
  decided_at: string;
}

export type Context = Context;

/** What the attempt cost, in AUD as decimal strings. */
export interface Credits {
  /** Held before the attempt, AUD. */
  held?: string;
  /** Charged after it, AUD; the rest went back. */
  spent?: string;
  /** Which of the wallet's budgets paid. */
  budget?: Budget;
}

/** The headers that the healer adds; on the wire each is a UTF-8 string. */
export interface DeadLetterHeaders {
  /** Why it was refused. */
  shw_dlq_reason: PoisonReason;
  /** Why, in words: what was wrong, where, what to do. At most 1,024 bytes. */
  shw_dlq_message: string;
  /** The topic that it was read from. */
  shw_dlq_topic: string;
  /** Its partition there, before it was ever replayed. */
  shw_dlq_partition: string;
  /** Its offset there, before it was ever replayed. */
  shw_dlq_offset: string;
  /** The record's own timestamp, before it was ever replayed; absent: it had none. */
  shw_dlq_timestamp?: string | null;
  /** How often `shw dlq replay` had sent it again; absent: never. */
  shw_dlq_replayed?: string;
  /** When it was refused. */
  shw_dlq_at: string;
  /** The length of the whole value in bytes. */
  shw_dlq_bytes: string;
  /** SHA-256 of the whole value, hexadecimal. */
  shw_dlq_sha256: string;
  /** The value or the key is cut, or own headers are left out. */
  shw_dlq_truncated: "true" | "false";
  /** The length of the whole key in bytes; absent: the key is whole. */
  shw_dlq_key_bytes?: string | null;
  /** SHA-256 of the whole key; absent: the key is whole. */
  shw_dlq_key_sha256?: string | null;
  /** How many of the record's own headers are left out; absent: none. */
  shw_dlq_headers_left_out?: string | null;
}

/** A workflow's definition was replaced by a proven patch, or what became of it since. */
export interface DefinitionChanged {
  /** The organisation. */
  org_id: string;
  /** The workflow. */
  workflow_name: string;
  /** The failure that it mends. */
  failure_id: string;
  /** The attempt that put it in force. */
  attempt_id: string;
  /** The attempt that proposed it. */
  rewrite_id: string;
  /** What has become of it. */
  state: DefinitionState;
  /** Digest of the new definition. */
  digest: string;
  /** Digest of the one that it replaced. */
  base_digest: string;
  /** What its store calls it; empty: it never was in force. */
  version: string;
  /** Until when a relapse takes it back. */
  watch_until?: string | null;
  /** The failure by which the cause came back. */
  relapse_failure_id?: string | null;
  /** Why, in words. */
  reason: string;
  /** When it came to stand there. */
  changed_at: string;
}

/** What has become of a rewritten definition. */
export type DefinitionState = "watching" | "kept" | "rolled_back" | "superseded";

/** The plan with this hash never runs. */
export interface Deny {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure whose plan is answered. */
  failure_id: string;
  /** The hash that was published; a plan that has changed is not touched. */
  plan_hash: string;
  /** The step of the status event that asked for it. */
  step: number;
  command: "deny";
}

/** A dependency of an organisation is replaced, or its calls go back; until `lease_until` callers may follow it. */
export interface DependencyBinding {
  /** The organisation. */
  org_id: string;
  /** The catalog's name of the dependency. */
  dependency: string;
  /** Counts the changes of this binding; a lower one is older. */
  version: number;
  /** Where its calls go. */
  state: BindingState;
  /** The catalog's name of what stands in; null: nothing does. */
  candidate?: string | null;
  /** Share of the calls that goes to the candidate. */
  share: number;
  /** Until when it holds unless a newer event says otherwise; then calls go to the first. */
  lease_until?: string | null;
  /** How often in a row the first was replaced. */
  ejections: number;
  /** Why it changed, in words. */
  reason: string;
  /** What proved the first ill, as data. */
  evidence?: (Record<string, unknown>)[];
  /** When it came to stand there. */
  changed_at: string;
}

/** The service that did not do its part. */
export interface DependencyContext {
  /** The catalog's name of it. */
  name: string;
  /** What was asked of it. */
  operation?: string | null;
  /** The version that was called. */
  version?: string | null;
}

/** Why the failure was taken for what it was taken for. */
export interface DiagnosisEvidence {
  /** The rule that spoke. */
  rule: string;
  /** Where it looked: `failure_reason` or a context path. */
  source?: string;
  /** What it found there; redacted. */
  detail?: string;
  /** How much it weighs; the heaviest type wins. */
  weight?: number;
  /** The type that it speaks for, if any. */
  failure_type?: FailureType | null;
  /** The disposition that it speaks for, if any. */
  disposition?: Disposition | null;
  /** It spoke for the diagnosis; false: against it. */
  decided?: boolean;
}

/** The effect of unknown outcome did not happen: it may be made again. */
export interface DidNotHappen {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure. */
  failure_id: string;
  command: "did_not_happen";
}

/** What the evidence says about trying again, whatever the failure's type. */
export type Disposition = "retry_now" | "retry_after" | "retry_if_idempotent" | "needs_repair" | "needs_credential" | "needs_money" | "needs_person" | "never";

/** Give the failed step another input, and heal it: a payload, or the body of its request; one of the two. */
export interface Edit {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  command: "edit";
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure. */
  failure_id: string;
  /** In place of `context.payload`; any JSON. */
  payload?: unknown;
  /** In place of `context.request.body`; any JSON, or a string as it is. */
  body?: unknown;
  /** You looked: the failed call had no effect. Needed where a second one would do harm. */
  did_not_happen?: boolean;
}

/** What happens when the failed call is made twice, as its owner declares it. */
export type Effect = "none" | "idempotent" | "keyed" | "conditional" | "unsafe";

/** What runs a workflow's step. */
export type EngineType = "claude_cli" | "deep_agent" | "gemini_image" | "internal_service";

/** What the failed party said. */
export interface ErrorContext {
  /** The error's code, such as `ETIMEDOUT` or `insufficient_quota`. */
  code?: string | null;
  /** The exception's class, such as `httpx.ReadTimeout`. */
  type?: string | null;
  /** The error's own text. */
  message?: string | null;
  /** The HTTP status that was answered. */
  http_status?: number | null;
  /** The gRPC status, by name or number. */
  grpc_status?: string | number | null;
  /** Who answered, such as `openai` or `stripe`. */
  provider?: string | null;
  /** What Retry-After said: seconds, or an HTTP date as it came. */
  retry_after?: number | string | null;
  /** The answer's headers. What is none is left out; more than 1000 are, all of them. */
  headers?: Record<string, string> | null;
  /** The answer's body, parsed where it was JSON. */
  body?: unknown;
}

/** What one oracle saw. */
export interface Evidence {
  /** Who judged, such as `http_status`, `json_schema`, `read_back`, `image_decode`. */
  oracle: string;
  /** Its judgement. */
  verdict: Verdict;
  /** What it saw, in words; redacted. */
  detail?: string;
}

/** What the caller demands of an answer beyond its having come; all of it has to hold. */
export interface Expectation {
  /** A status, a class such as `2xx`, or a list of them; absent: 2xx. */
  status?: number | string | (number | string)[] | null;
  /** JSON Schema 2020-12 of the body. */
  schema?: Record<string, unknown> | boolean | null;
  /** Demands on single places of the body. */
  json?: Assertion[];
}

/** A record of the failures topic was refused, and no failure was made of it; told where the catalog says so. */
export interface FailureRefused {
  /** The CloudEvents source that the record claims, or `urn:kafka:<topic>` where it claims none that can be read; also the record's key. Longer ones are cut to 512 characters. */
  source: string;
  /** The event's id; null where it has none, or none that can be read. Cut like `source`. */
  event_id?: string | null;
  /** The organisation that its data claim; null where they claim none that can be read. */
  org_id?: string | null;
  /** Why it was refused. */
  reason: PoisonReason;
  /** What was wrong, and where; secrets are taken out. */
  message: string;
  /** What its publisher, or who operates the healer, can do about it. */
  cure: string;
  /** Where it lies; of a replayed one, where it lay first. */
  record: RefusedPlace;
  /** When it was refused. */
  refused_at: string;
}

/** A failure came to stand where no attempt tells it: deferred, awaiting approval, needs a person, given up. */
export interface FailureStatus {
  /** The failure; also the event's subject and the record's key. */
  failure_id: string;
  /** The organisation that the workflow belongs to. */
  org_id: string;
  /** The workflow's name. */
  workflow_name: string;
  /** What was diagnosed, if it was. */
  failure_type?: FailureType | null;
  /** Counts every change of the failure: a greater one is newer. */
  step: number;
  /** Where the failure stands. */
  status: Status;
  /** Why, as a code. */
  code?: Code | null;
  /** Why, in words; redacted. */
  reason?: string;
  /** When it is looked at again; null: not by itself. */
  due_at?: string | null;
  /** What has to happen before it moves on. */
  waits_on?: WaitsOn | null;
  /** Given once, when a running heal begins to wait for another system: when it goes on. */
  suspended_until?: string | null;
  /** Given once, with its first attempt: the failure is a relapse after this heal. */
  relapse_of?: RelapseOf | null;
  /** Given with the code `shadow`: what a strategy in shadow mode would have done. */
  would_heal?: WouldHeal | null;
  /** The plan that is asked for, with `awaiting_approval`; or that was approved with changes. */
  approval?: ApprovalRequest | null;
  /** When it came to stand there. */
  changed_at: string;
  /** The catalog under which it was planned. */
  catalog_version?: string | null;
  /** Cut to the broker's limit: the rest is at `read_more`. */
  truncated?: boolean;
  /** Path in the healing API of the whole; null: nothing cut. */
  read_more?: string | null;
}

/** What is broken, as diagnosed from the reason and the context. */
export type FailureType = "api_timeout" | "invalid_schema" | "workflow_stall" | "missing_image" | "voice_generation_error" | "billing_sync_issue" | "concierge_action_failure" | "unknown";

/** Close this failure: it is not to be healed. A live heal of it starts nothing more. */
export interface GiveUp {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure. */
  failure_id: string;
  command: "give_up";
}

/** Whether the recovered answer was handed to `context.resume`. */
export interface Handover {
  /** The run's side accepted it. */
  delivered: boolean;
  /** The HTTP status it answered with; null: no answer. */
  status?: number | null;
  /** What went wrong, in words. */
  detail?: string;
}

/** Look at this failure now, also when it was given up. */
export interface Heal {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure. */
  failure_id: string;
  command: "heal";
}

/** One finished attempt; the event's id is the attempt's. */
export interface HealResult {
  /** The attempt, the same however often it is published. */
  attempt_id: string;
  /** The failure; also the event's subject and the record's key. */
  failure_id: string;
  /** The organisation that the workflow belongs to. */
  org_id: string;
  /** The workflow's name. */
  workflow_name: string;
  /** What was diagnosed. */
  failure_type: FailureType;
  /** What the evidence says about trying again. */
  disposition: Disposition;
  /** How it was tried to heal. */
  strategy: StrategyName;
  /** `success` only with proof in `evidence`. */
  result: Result;
  /** Why not; on success null, or `recovered`. */
  code?: Code | null;
  /** Where the failure stands after this attempt. */
  status: Status;
  /** Counts every change of the failure: a greater one is newer. */
  step: number;
  /** When the attempt began. */
  attempted_at: string;
  /** When it ended. */
  finished_at: string;
  /** What it cost. */
  credits?: Credits;
  /** What the oracles saw. */
  evidence?: Evidence[];
  /** Why this failure type. */
  diagnosis?: DiagnosisEvidence[];
  /** How probable it is that failure type and disposition are both right. */
  confidence?: number | null;
  /** What is particular to the strategy; redacted. */
  details?: Record<string, unknown>;
  /** The answer that the heal brought. */
  recovered?: Recovered | null;
  /** What became of handing it to `context.resume`. */
  handover?: Handover | null;
  /** The catalog under which it was planned. */
  catalog_version?: string | null;
  /** Cut to the broker's limit: the rest is at `read_more`. */
  truncated?: boolean;
  /** Path in the healing API of the whole; null: nothing cut. */
  read_more?: string | null;
}

/** A run's sign of life, by which a stall is seen and a repaired route is believed. */
export interface Heartbeat {
  /** The organisation that the workflow belongs to. */
  org_id: string;
  /** The workflow's name. */
  workflow_name: string;
  /** The run; recommended as the record's key. */
  run_id: string;
  /** How often the run was started anew. */
  run_epoch?: number | null;
  /** The step that it is at. */
  step?: string | null;
  /** Where the run stands. */
  status: RunStatus;
  /** Grows with the work done, in any unit of the run's. */
  progress?: number | null;
  /** When it was alive. */
  beat_at: string;
}

/** Start no new heal within the named reach; failures are still taken in. */
export interface Pause {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** Within this organisation only; null: in all. */
  org_id?: string | null;
  /** This workflow only; null: all. */
  workflow_name?: string | null;
  /** This failure type only; null: all. */
  failure_type?: FailureType | null;
  /** This strategy only; null: all. */
  strategy?: StrategyName | null;
  /** Heals that call this only, as `https://api.example.com:443`; null: all. */
  dependency?: string | null;
  command: "pause";
  /** From then on; null: now. */
  starts_at?: string | null;
  /** Ends by itself then; null: lasts until resumed. */
  until?: string | null;
}

/** Where a pause stands. */
export type PauseState = "planned" | "in_force" | "ended";

/** A pause was made, or is over: while it is in force, no effect begins within what it names. */
export interface PauseStatus {
  /** The pause; also the event's subject and the record's key. */
  pause_id: string;
  /** Where it stands. */
  state: PauseState;
  /** Within this organisation only; null: in all. */
  org_id?: string | null;
  /** Workflows of this name or pattern only; null: all. */
  workflow_name?: string | null;
  /** This failure type only; null: all. */
  failure_type?: FailureType | null;
  /** This strategy only; null: all. */
  strategy?: StrategyName | null;
  /** Heals that call this dependency only; null: all. */
  dependency?: string | null;
  /** Why, in words; redacted. */
  reason: string;
  /** Who asked for it. */
  paused_by: string;
  /** From when on it holds. */
  starts_at: string;
  /** When it ends by itself; null: once somebody resumes it. */
  ends_at?: string | null;
  /** When it ended. */
  ended_at?: string | null;
  /** Who resumed it, or `its end`. */
  ended_by?: string | null;
  /** Why it was resumed, in words; redacted. */
  end_reason?: string | null;
  /** When it came to stand there. */
  changed_at: string;
}

/** Why a record became a dead letter; all but `source_not_allowed` and those of organisations lie in its bytes. */
export type PoisonReason = "not_json" | "wrong_shape" | "too_large" | "bad_text" | "bad_number" | "bad_time" | "too_deep" | "took_too_long" | "unknown_organisation" | "organisation_locked" | "source_not_allowed" | "not_authentic" | "unknown_version" | "unstorable" | "unreadable_record" | "corrupt_batch";

/** A look without effect that tells whether the failed call has worked: it has, it has not, or nobody can say. */
export interface ReadBack {
  /** Where to look. Its host has to be one that the catalog allows. */
  url: string;
  /** GET or HEAD; read in any case. Nothing else is a look. */
  method?: "GET" | "HEAD";
  /** Header name to value; a value may be `secret://NAME` and then stays one. */
  headers?: Record<string, unknown>;
  /** What is seen if it worked. Default: a 2xx, with GET not empty; of a DELETE 404, 410. */
  expect?: Expectation | null;
  /** What is seen if it has not worked. Default: 404 or 410, and not as a page; of a DELETE a 2xx. Whatever shows neither, or both, tells nothing. */
  absent?: Expectation | null;
  /** How long the other side may still work on a call whose answer was lost, in seconds, together with the lag of what is looked at. Only after it an absence counts. Default: 10, or as long as one call may take where that is longer. */
  after_seconds?: number | null;
  /** Look before anything is sent also where the effect is not unsafe; where it is, that is always so. */
  first?: boolean;
  /** How long one look may take, in seconds. */
  timeout_seconds?: number | null;
}

/** The answer that the heal brought. */
export interface Recovered {
  /** The HTTP status. */
  status: number;
  /** Those that matter: content-type, etag, location. */
  headers?: Record<string, string>;
  /** JSON, or text; null when binary or cut. */
  body?: unknown;
  /** The body when it is neither JSON nor text. */
  body_base64?: string | null;
  /** The whole body's length in bytes. */
  bytes?: number;
  /** The whole body's SHA-256, hexadecimal. */
  digest?: string | null;
  /** The body is missing or cut here. */
  truncated?: boolean;
}

/** Where the refused record lies: the place that a producer was answered when it sent it. */
export interface RefusedPlace {
  /** The topic. */
  topic: string;
  /** The partition. */
  partition: number;
  /** The offset. */
  offset: number;
}

/** What came of the rehearsal of a heal in shadow mode: everything of it but its effect. */
export type RehearsalOutcome = "would_act" | "recovered" | "refused" | "put_off" | "not_healed" | "broken" | "not_rehearsed";

/** What came of going through a heal in shadow mode up to its first effect, which was not made. */
export interface RehearsalResult {
  /** How it ended. */
  outcome: RehearsalOutcome;
  /** Why, in words; redacted. */
  reason?: string;
  /** The call that its first effect is: `method`, `url`, `headers`, `body`; redacted, cut. */
  would_send?: (Record<string, unknown>)[];
}

/** The proven heal after which the same cause came again on the same scope. */
export interface RelapseOf {
  /** The earlier failure. */
  failure_id: string;
  /** The attempt that healed it. */
  attempt_id: string;
  /** How it was healed. */
  strategy: StrategyName;
  /** When. */
  healed_at: string;
}

/** The call that failed, so that it can be made again. */
export interface RequestContext {
  /** The HTTP method; read in any case. */
  method: string;
  /** The absolute http(s) URL. Its host has to be one that the catalog allows. */
  url: string;
  /** Header name to value; a value may be `secret://NAME` and then stays one. */
  headers?: Record<string, unknown>;
  /** Sent as JSON, or as it is when it is a string; null: no body. */
  body?: unknown;
  /** What a second call does. Absent: by the method (GET, HEAD, OPTIONS, TRACE: none; PUT, DELETE: idempotent), else keyed where there is a key, else unsafe. */
  effect?: Effect | null;
  /** The key that the caller already sent. Absent: its Idempotency-Key header's value. */
  idempotency_key?: string | null;
  /** The header that carries the key. */
  idempotency_header?: string;
  /** How long one call may take, in seconds. */
  timeout_seconds?: number | null;
  /** What the answer has to be to count as healed. */
  expect?: Expectation | null;
  /** How to see whether the call has worked; a call without a key may be healed with it. */
  read_back?: ReadBack | null;
}

/** Close this failure: its effect did happen, or it was mended by hand. */
export interface Resolve {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** The failure's organisation; a command for another one is refused. */
  org_id: string;
  /** The failure. */
  failure_id: string;
  command: "resolve";
}

/** What became of one attempt. */
export type Result = "success" | "failed" | "error" | "unknown";

/** Start heals again: end one pause by its id, or all that stand with exactly this reach. */
export interface Resume {
  /** Who asks: an agent, or a person's name. */
  issued_by: string;
  /** Why, in words; kept with the decision. */
  reason?: string;
  /** Within this organisation only; null: in all. */
  org_id?: string | null;
  /** This workflow only; null: all. */
  workflow_name?: string | null;
  /** This failure type only; null: all. */
  failure_type?: FailureType | null;
  /** This strategy only; null: all. */
  strategy?: StrategyName | null;
  /** Heals that call this only, as `https://api.example.com:443`; null: all. */
  dependency?: string | null;
  command: "resume";
  /** This pause, whatever its reach; null: those of the reach. */
  pause_id?: string | null;
}

/** Where a recovered answer is handed over, so that the run goes on. */
export interface ResumeContext {
  /** The absolute http(s) URL. Its host has to be one that the catalog allows. */
  url: string;
  /** The HTTP method; read in any case. */
  method?: string;
  /** Header name to value; a value may be `secret://NAME` and then stays one. */
  headers?: Record<string, unknown>;
}

/** The run that failed. */
export interface RunContext {
  /** The run's id at its orchestrator. */
  id: string;
  /** How often the run was started anew; tells old news. */
  epoch?: number | null;
  /** The step that failed or stands still. */
  step?: string | null;
  /** Where the run stood when the failure was noticed. */
  status?: RunStatus | null;
  /** The run's last sign of life, RFC 3339. */
  heartbeat?: string | null;
  /** The run's plan. */
  plan?: WorkflowStep[] | null;
}

/** Where a workflow's run stands, as its orchestrator tells it. */
export type RunStatus = "pending" | "planning" | "executing" | "completed" | "failed" | "cancelled";

/** Where a failure stands. */
export type Status = "pending" | "deferred" | "awaiting_approval" | "needs_person" | "resolved" | "given_up";

/** How a failure is healed; the values are the seed's, letter by letter. */
export type StrategyName = "auto-retry" | "auto-regenerate" | "schema-autofix" | "route-repair" | "dependency-replacement" | "DeepAgent-full-workflow-rewrite";

/** What an oracle says of a heal. */
export type Verdict = "passed" | "failed" | "inconclusive";

/** What has to happen before a failure moves on. */
export type WaitsOn = "time" | "scope" | "dependency" | "credits" | "credential" | "approval" | "person" | "pause";

/** The definition that failed. */
export interface WorkflowContext {
  /** Which version of the definition ran. */
  version?: string | null;
  /** The definition itself. */
  definition?: WorkflowDefinition | null;
}

export type WorkflowDefinition = WorkflowDefinition;

/** One failure of a workflow, as its publisher tells it; fields beyond the named ones are kept. */
export interface WorkflowFailure {
  /** The organisation that the workflow belongs to. */
  org_id: string;
  /** The workflow's name, by which the catalog finds what may be done to it. */
  workflow_name: string;
  /** What went wrong, in words: an error message, a trace. Diagnosed by its text; may be empty. */
  failure_reason: string;
  /** Anything that helps to heal. What is understood of it stands in the schema of `context`; what is not is kept. Secrets are named as `secret://NAME`, never sent. */
  context?: Record<string, unknown> | null;
  /** When the failure was noticed, RFC 3339 with an offset. Absent: when the event was received. */
  detected_at?: string | null;
}

/** One step of a plan. */
export interface WorkflowStep {
  /** Unique within its plan. */
  stepId: string;
  /** The agent that does it. */
  agentName: string;
  /** What runs it; any other engine is refused. */
  engineType: EngineType;
  /** What the agent is asked to do. */
  action: string;
  /** The action's input. */
  parameters?: Record<string, unknown>;
  /** Ids of the steps that have to be complete before this one begins. */
  dependencies?: string[];
}

/** What a strategy in shadow mode would have done. */
export interface WouldHeal {
  /** Which strategy. */
  strategy: StrategyName;
  /** What it would have acted on: at most one heal acts on it at a time. */
  scope: string;
  /** What it would have held, AUD. */
  cost?: string;
  /** Which of the wallet's budgets would have paid. */
  budget?: Budget;
  /** What it would have done, redacted. */
  plan: Record<string, unknown>;
  /** What really came of it, up to its first effect; null: from a release before. */
  rehearsal?: RehearsalResult | null;
}

export type WorkflowFailureV1Data = WorkflowFailure;

export type WorkflowHealResultV1Data = HealResult;

export type WorkflowFailureStatusV1Data = FailureStatus;

export type WorkflowBudgetWarningV1Data = BudgetWarning;

export type WorkflowPauseV1Data = PauseStatus;

export type WorkflowHealCommandV1Data = Approve | Deny | Heal | GiveUp | Resolve | DidNotHappen | Edit | Bulk | BulkStart | BulkStop | Pause | Resume;

export type WorkflowCommandResultV1Data = CommandResult;

export type WorkflowBulkProgressV1Data = BulkProgress;

export type WorkflowDependencyBindingV1Data = DependencyBinding;

export type WorkflowDefinitionChangeV1Data = DefinitionChanged;

export type WorkflowFailureRefusedV1Data = FailureRefused;

export type WorkflowHeartbeatV1Data = Heartbeat;

export interface WorkflowFailureV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.failure.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowFailureV1Data;
}

export interface WorkflowHealResultV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.heal_result.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowHealResultV1Data;
}

export interface WorkflowFailureStatusV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.failure_status.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowFailureStatusV1Data;
}

export interface WorkflowBudgetWarningV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.budget_warning.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowBudgetWarningV1Data;
}

export interface WorkflowPauseV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.pause.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowPauseV1Data;
}

export interface WorkflowHealCommandV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.heal_command.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowHealCommandV1Data;
}

export interface WorkflowCommandResultV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.command_result.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowCommandResultV1Data;
}

export interface WorkflowBulkProgressV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.bulk_progress.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowBulkProgressV1Data;
}

export interface WorkflowDependencyBindingV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.dependency_binding.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowDependencyBindingV1Data;
}

export interface WorkflowDefinitionChangeV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.definition_change.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowDefinitionChangeV1Data;
}

export interface WorkflowFailureRefusedV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.failure_refused.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowFailureRefusedV1Data;
}

export interface WorkflowHeartbeatV1 {
  specversion: "1.0";
  id: string;
  source: string;
  type: "workflow.heartbeat.v1";
  subject?: string;
  time?: string;
  datacontenttype?: string;
  traceparent?: string;
  tracestate?: string;
  data: WorkflowHeartbeatV1Data;
}

export type ContractEvent =
  | WorkflowFailureV1
  | WorkflowHealResultV1
  | WorkflowFailureStatusV1
  | WorkflowBudgetWarningV1
  | WorkflowPauseV1
  | WorkflowHealCommandV1
  | WorkflowCommandResultV1
  | WorkflowBulkProgressV1
  | WorkflowDependencyBindingV1
  | WorkflowDefinitionChangeV1
  | WorkflowFailureRefusedV1
  | WorkflowHeartbeatV1;
