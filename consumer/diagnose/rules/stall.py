"""Rules for stalls: runs, queues and workers that make no progress."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import NOW, REPAIR, STALL, TIMEOUT

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
        "stall.of-a-run",
        9,
        STALL,
        REPAIR,
        firmly=9.5,
        says="""
            run|runs|workflow|workflows|job|jobs|task|tasks|instance|instances|execution|executions|pipeline|dag|step|activity|queue|worker|workers|node|deployment|sync|import|export|build
            is|are|was|were|got|gets|seems|appears|remains|stays|to|be * stuck|hung|hanging|stalled|frozen|wedged;
            stuck|hung|frozen
            run|runs|workflow|workflows|job|jobs|task|tasks|instance|execution|executions|pipeline|queue|worker|dag|step|activity;
            run|workflow|job|task|instance|execution|executions|itself|node|step|message|messages
            remains|remain|remained|stays|stay|stayed|left|sits|sat|kept *
            running|queued|pending|active|scheduled|started|processing|forever|ever|open|state;
            stay|stays|remain|remains|remained there|so|that for|forever ever|good?; put|left|kept|held in
            queued|pending|queue|running * stay|stays|remain|remains|for|forever
        """,
        example="A task timed out and its run remains in the state running",
    ),
    rule(
        "stall.nothing-moves",
        6,
        STALL,
        REPAIR,
        says="""
            workers|worker|consumers|consumer|executors|agents|listeners|runners is|are|sit|sits|stay?
            idle|asleep|stuck; idle workers|worker|consumer|executors; waiting|waits for *
            executor|executors|runner|worker|workers|slot|slots|agent; no
            executor|executors|runner|runners|poller|pollers|listener|subscriber
            available|online|found|running|polling|registered|is|picks|listening; no workers
            polling|listening|available; all executors|workers|runners|slots|agents|threads are?
            busy|occupied|taken|blocked|hung; thread starvation; starved; backpressure;
            unacked|unacknowledged|unprocessed|undelivered messages|message|jobs|tasks|events;
            messages|jobs|events|tasks|items|records|orders pile|piling|piled|accumulate|accumulating
            up?; queue|queues|backlog|lag keeps|is? growing|increasing|rising;
            consumer|consumers|listener|worker|scheduler stops|stopped|hangs|dies
            consuming|polling|scheduling|without|silently|after|processing; does|do|did nothing
            for|more|further|anymore; stays|stuck|stops at 0|99|50|100; progress bar; goes|went|gone
            silent|quiet; restart|retry|reboot|crash|requeue loop|loops; over and over again;
            retries|retrying|restarts|restarting forever|endlessly|indefinitely|infinitely;
            misfired|misfire|misfires; cron|timer|trigger|sensor|schedule never|not|stopped
            fires|fired|firing|triggered|triggers|runs|ran; never
            fires|fired|triggers|triggered|launches|launched|dequeued|resumes|unblocks; is|are
            late|overdue|behind by|since|schedule; far behind; externally set to; task state mismatch;
            checkpoint expired|declined; lock|lease|slot|semaphore|mutex never|not|was
            released|freed|returned; slot|lock is? held by; waits|waiting|wait|blocked|hangs
            forever|indefinitely|endlessly|infinitely; unable to make progress; poison pill; in limbo;
            never received|receives|got|gets a|an|its|the|any? callback|signal|event|message|answer;
            wait|waits|waiting for|on each other; each other * lock|locks; lag of; was|were to run *
            has|have|did not; heartbeat is * old; callback|signal never
            arrives|arrived|received|comes|came; child workflow never|not;
            instance|instances|execution|executions in|are|is running|active|created|pending
            for|since|forever; nothing runs|ran|happened|moves; no longer
            progressing|processing|consuming|advancing|polling;
            said|says|reported|reports|logged|printed|heard nothing|no for|since|from|in|anymore
        """,
        example="The listeners sit idle, messages pile up",
    ),
    rule(
        "stall.timeout-ignored",
        8,
        STALL,
        REPAIR,
        says="""
            passes|passed|past|outlives|outlived|beyond its|their|the|own timeout|deadline|timeouts;
            timeout|timeouts|deadline is|are|was|were|gets? ignored|disregarded|bypassed|skipped; timeout|deadline
            does|do|did|is|has? not|no|never
            fire|fires|fired|trigger|triggers|triggered|apply|applied|effect|respected|enforced|honoured|honored|work;
            timeout|deadline never fires|fired|triggers|triggered|applies|applied|works;
            despite|regardless|ignores|ignoring of? its|the|a|any timeout|deadline|timeouts; long after *
            timeout|deadline; timeout * has no effect; kept running|going * past|beyond|after * timeout|deadline
        """,
        against=(TIMEOUT,),
        example="The export outlived its timeout",
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
        6,
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
            jobs|tasks not; has|have been in|on * for; never checked in; last * ago; nothing|no
            records|rows|messages|events|data? has|have|was|were|is|are been?
            written|produced|emitted|committed|ingested; offset * unchanged|same; unchanged for|since; same *
            for|since * hours|minutes|days; same step|state|status; no output|activity|events for|since; for|since
            hours|days; last update; poll count 0; was|were|is|been never
            polled|picked|claimed|dispatched|acknowledged|acked|consumed|delivered|scheduled|invoked|called; never
            been? polled|picked|claimed|dispatched|acknowledged|consumed|resumes|resumed|returned|closes|closed; no
            worker|poller polls|polling|picked|is; no pollers|poller; scheduled|queued|submitted|created but *
            not|never started|run|ran|executed|picked; stay|stays|stayed|remain|remains|remained there|open|in|at;
            for good|ever; over|after|more than? * hours|days later; days|hours later|ago; seems|appears|is|are|was
            orphaned|abandoned|dangling; run|workflow|job|task|instance seems|appears; must be cleared; queued
            state; not a valid state for execution; goes on to the next; no incident; never|not
            rejoins|rejoin|rejoined|reconnects|reconnected; stays|stay outside; coordinator dead; heartbeat session
            expired; piling|piles|piled up; keeps|keep growing|waiting|queueing|looping|restarting; same
            offset|message|item|position; watermark; does|did not make|move|advance|leave|change; not been
            updated|touched|changed|moved; no step|task|node|event * since|for; waiting forever|endlessly;
            hours|days without; has not * since; still in|at|on|shows|waiting; last|latest heartbeat; no
            one|nobody|nothing picks|picked|polls|consumes|takes; progress 99|100|98|0 99|100|98|0
        """,
        example="The import does not advance",
    ),
    rule(
        "stall.worker-lost",
        5.5,
        STALL,
        REPAIR,
        says="""
            no|missed|missing|lost|last|without|stopped heartbeat|heartbeats|heartbeating; heartbeat
            timeout|missed|lost|timed|expired|stopped|not|failed; lease|leases expired|lost|is|was; zombie|zombies;
            worker|workers|runner|agent|executor|pod|node is?
            lost|died|dead|gone|crashed|disappeared|vanished|offline|unreachable|evicted|preempted; abandoned by;
            orphaned|orphan workflow|execution|instance; orphaned|orphan task|job|run|tasks|jobs|runs|workflow; lost
            communication; stale lock|lease|worker|job; went|is offline; marked as * lost|dead|failed|zombie; no
            longer in the running; task should terminate; lost its worker; worker * lost; not heartbeating; failed
            to renew * lock; missing renew lock; could not renew
        """,
        example="A zombie after a missed heartbeat",
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
