"""Rules for stalls: runs, queues and workers that make no progress."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import NOW, REPAIR, STALL

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "stall.word",
        4,
        STALL,
        REPAIR,
        says="stall; stalls; stalled; stalling; stuck",
        example="Run 12 is stuck",
    ),
    rule(
        "stall.hung",
        5,
        STALL,
        REPAIR,
        says="""
            hang; hangs; hung; hanging; freeze; freezes; frozen; froze; unresponsive; wedged;
            block|blocks|blocked|blocking the? whole|entire|all? queue|pipeline|workflow|worker; hang|hangs
            indefinitely|forever
        """,
        example="The nightly export hangs",
    ),
    rule(
        "stall.no-progress",
        5,
        STALL,
        REPAIR,
        says="""
            no more|further progress; status|state running|queued|pending|active|processing for|since; since
            yesterday|monday|tuesday|wednesday|thursday|friday|saturday|sunday; for over|more|almost|nearly|about
            an|a|than? day|hour|week; running|queued|pending|active for good|ever|days|hours;
            stays|stay|stayed|remains|remain running|queued|pending|active; nothing reconciles; nothing picks|is
            picking; has been|is running|queued|pending for|since; sat|sits|sitting in|at; dangling run|job|task;
            overdue; lost in * queue; silently stops|stopped|hangs|dies; nothing has|is moved|moving|changed; state
            changes; in phase * for; is held by; has not|hasnt moved|changed|advanced|progressed;
            no|without|any|little progress; not|never|isnt|arent
            progressing|progress|progressed|advancing|advance|moving|proceeding|proceed|draining|drained|consuming|consumed|processed|processing|starting|finishing;
            stopped|stops|stop|ceased|quit
            progressing|advancing|consuming|processing|moving|polling|producing|working|fetching|scheduling; never
            starts|started|start|completes|completed|complete|finishes|finished|finish|ends|ended|end|executed|execute|advances|runs|ran|dispatched|goes|scheduled|exits|returns|terminates;
            not being processed|consumed|picked|executed|scheduled|started; not picked up;
            didnt|doesnt|dont|wont|cant|cannot
            proceed|advance|start|finish|complete|end|continue|terminate|progress|consume|move; does|do|did not
            proceed|advance|start|finish|complete|end|continue|terminate|progress|consume|move;
            running|runs|run|pending|queued|waiting|loops|looping forever|endlessly|indefinitely;
            pause|paused|pauses|blocked|waits indefinitely; still running|pending|queued|processing; never ending;
            no node; nothing else happen|happens|happened; nothing happens; lag growing|grows|increasing|keeps|is;
            growing lag; consumer lag; infinite|endless loop; endless; is running since; running since|for *
            hours|days|minutes; remains|remain|remained|stays|stay|stayed|left|sits|sitting in|at|on *
            running|pending|queued|active|scheduled|processing|state|status|started|queue;
            active|pending|queued|running for * hours|days|hour|minutes; clog|clogs; not getting processed;
            jobs|tasks not; has|have been in|on * for; never checked in; last * ago; same step|state|status; no
            output|activity|events for|since; for|since hours|days; last update
        """,
        example="The import does not advance",
    ),
    rule(
        "stall.worker-lost",
        5,
        STALL,
        REPAIR,
        says="""
            no|missed|missing|lost|last|without|stopped heartbeat|heartbeats|heartbeating; heartbeat
            timeout|missed|lost|timed|expired|stopped|not|failed; lease|leases expired|lost|is|was; zombie|zombies;
            worker|workers|runner|agent|executor|pod|node is?
            lost|died|dead|gone|crashed|disappeared|vanished|offline|unreachable|evicted|preempted; abandoned by;
            orphaned|orphan task|job|run|tasks|jobs|runs|workflow; lost communication; stale lock|lease|worker|job;
            went|is offline; marked as * lost|dead|failed|zombie; no longer in the running; task should terminate;
            lost its worker; worker * lost; not heartbeating; failed to renew * lock; missing renew lock; could not
            renew
        """,
        example="The lease expired and nobody took it",
    ),
    rule(
        "stall.code",
        9,
        STALL,
        REPAIR,
        codes="""
            WorkerLostError HeartbeatTimeout HeartbeatTimeoutError ACTIVITY_TASK_TIMED_OUT ScheduleToStartTimeout
            StartToCloseTimeout AirflowTaskTimeout AirflowSensorTimeout TIMEOUT_TYPE_HEARTBEAT TMPRL1101
            JobStalledError TaskAlreadyRunningException WorkflowTaskTimedOut DagRunTimeout SoftTimeLimitExceeded
            TimeLimitExceeded
        """,
        example="ACTIVITY_TASK_TIMED_OUT",
    ),
    rule(
        "stall.queue",
        4,
        STALL,
        REPAIR,
        says="""
            no consumers|consumer|workers|worker|running|available|active?
            workers|worker|consumers|executors|runners; unroutable; dead letter|lettered; queue is?
            full|backed|blocked|growing|paused; queue backed up; all workers|slots busy|occupied|are|in; suspended
            state; backlog; up for reschedule; max stalled; queue|partition|partitions depth|backlog|lag|is stuck;
            never dequeued; no slots; waiting for * worker|runner|executor|slot; insufficient slots; not consumed;
            poison message; redelivered
        """,
        example="The message was unroutable",
    ),
    rule(
        "stall.deadlock",
        6,
        STALL,
        NOW,
        says="""
            deadlock detected|found; lock wait timeout; could not obtain lock; lock not available; deadlock victim
        """,
        codes="""
            40P01 55P03 DeadlockDetected DeadlockDetectedError LockNotAvailable LockNotAvailableError 1213 1205
            ER_LOCK_DEADLOCK DeadlockLoserDataAccessException CannotAcquireLockException
        """,
        example="40P01 while the two met",
    ),
    rule(
        "stall.deadlocked",
        5,
        STALL,
        REPAIR,
        says="deadlock; deadlocks; deadlocked; livelock; potential deadlock; circular wait|dependency",
        example="The two branches deadlocked",
    ),
    rule(
        "stall.time-limit",
        7,
        STALL,
        REPAIR,
        says="""
            poll timeout; max poll interval; session * poll; active on the node; longer than the specified; exceeded
            * max|maximum|hard|soft runtime|duration|run|time?; start to close; schedule to start|close;
            job|run|workflow|step|pod|dag exceeded * deadline|time|timeout|limit|duration; active deadline;
            workflow|job|run|execution|activity|step|stage timed out; workflow|execution|job|run|activity timeout;
            exceeded the maximum execution; backoff limit; sla miss|missed; sensor * timed|timeout
        """,
        codes="activeDeadlineSeconds",
        example="Activity start-to-close ran over",
    ),
)
