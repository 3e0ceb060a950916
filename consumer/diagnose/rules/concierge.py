"""Rules for concierge actions: what an assistant was to do for a guest or customer, and did not."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import CONCIERGE, PERSON, REPAIR

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "concierge.word",
        2.3,
        CONCIERGE,
        says="concierge",
        example="The concierge gave up",
    ),
    rule(
        "concierge.everyday",
        3.1,
        CONCIERGE,
        says="""
            reservation; reservations; guest; guests; calendar; check in; check out; meeting;
            availability; time slot|slots; timeslot; flight; tickets|seats; fare|fares
            data|quote|basis|rules|class|family|is|was|has; invalid|no|unknown * fare|fares; passenger;
            passengers; traveler; travelers; traveller; travellers; call transfer|transfers|forwarding;
            transfer|forward|forwarding the|a? call; handoff; hand off to; caller; callers; phone
            call|number; send email|sms; assistant|agent|bot called;
            transfer|transferred|escalate|escalated to a? human|agent|operator|front; event type; table
            for; spa; courier; cortana; acuity; bland; sabre; crm; whatsapp
            template|message|number|business; imap; mailbox; inbox; delivery address; airline; airlines;
            ticket * agent; support ticket|tickets; opportunity; invitation mail|email; greeting
            mail|email; guest s
        """,
        example="The guests are not there",
    ),
    rule(
        "concierge.noun",
        3.2,
        CONCIERGE,
        says="""
            booking; bookings; appointment; appointments; reschedule; rescheduling; rescheduled; itinerary;
            room service; housekeeping; restaurant; hotel; taxi; attendee; attendees; doctolib; mindbody;
            party size; occupancies
        """,
        example="The itinerary is empty",
    ),
    rule(
        "concierge.book",
        5,
        CONCIERGE,
        says="""
            book|booking|booked|bookings|reserve|reserving a|an|the|any|any?
            meeting|appointment|table|slot|room|flight|hotel|taxi|ticket|seat|matching|visit;
            could|can|was|not|cannot|couldnt|unable not? be|to?
            book|booked|reserve|reserved|schedule|scheduled|reschedule|cancel;
            booking|reservation|appointment|meeting
            failed|fails|error|could|cannot|couldnt|not|slot|rejected|creation; no booking occurred; failed to
            book|reserve|schedule|reschedule|cancel|create *
            booking|reservation|appointment|meeting|event|table|room; book api; booking api|endpoint|system|details;
            calendar event|invite|invitation|api; cancel|cancelling * reservation|booking|appointment|meeting;
            add|create|insert * calendar
        """,
        example="We could not reserve anything",
    ),
    rule(
        "concierge.nothing-free",
        9,
        CONCIERGE,
        PERSON,
        says="""
            no available|free
            users|user|slots|slot|tables|rooms|occupancies|times|seats|availability|hosts|appointments|dates; no
            availability; fully booked; sold out; is? not available at|on|for * time|date|day; no longer available
            at; already booked|taken|reserved; double booked; slot * taken|unavailable|gone; overbooked; no
            tables|rooms|seats|slots; another time slot; outside * opening|business|working hours; no seats; time is
            not available
        """,
        codes="no_available_users_found_error slot_unavailable booking_conflict NO_AVAILABILITY",
        example="Fully booked that evening",
    ),
    rule(
        "concierge.exists",
        6,
        CONCIERGE,
        PERSON,
        firmly=10,
        says="""
            contact|lead|guest|attendee|invitee|booking|reservation|appointment|conversation|participant|registrant|member
            * already exists|exist|registered|booked|subscribed|added|invited; already a?
            registered|subscribed|invited|enrolled attendee|guest|contact|member|participant; duplicate
            contact|lead|booking|reservation|appointment|attendee|guest
        """,
        example="The lead already exists",
    ),
    rule(
        "concierge.agent",
        4,
        CONCIERGE,
        REPAIR,
        firmly=2,
        says="""
            unable|failed|fails to add|set|create|update|delete|book|remind *
            reminder|event|task|note|alarm|meeting; reports success * nothing; nothing is|was delivered|sent|booked;
            action * failed; call|message|order tool; tool call|calls|calling|invocation|use|execution|error|failed;
            function call|calling|calls; call|calling|invoke|invoking|run|execute|using a|the|any
            tool|tools|function; agent|assistant|bot|chatbot|copilot|ai agent
            failed|fails|could|couldnt|does|did|cannot|cant|was|is|stopped|made|forgot|unable|refused; action input;
            action failed|error|could|not|execution|server|failure; skill; skills; intent handler; fulfillment;
            fulfilment; session ended request; webhook call failed; custom action; mcp tool|server; assistant
            action; slot filling; voice assistant; simple response; agent executor; tool * not found; function not
            found; no tool; tools agent; slot elicitation
        """,
        example="The agent stopped before the skill ran",
    ),
    rule(
        "concierge.maker",
        5,
        CONCIERGE,
        says="""
            siri; bixby; lex bot; openai assistants
        """,
        example="Siri heard nothing",
    ),
    rule(
        "concierge.called",
        4,
        CONCIERGE,
        says="""
            /messages /send; /me /events; /users * /events; /calendar|/calendars|/calendarview; /bookings|/booking;
            /reservations|/reservation; /appointments|/appointment; /contacts|/crm; /flight|/flights;
            /hotels|/hotel; /tickets|/ticketing; /sendmail|/sendmessage|/sms|/whatsapp; /chat /postmessage;
            /chat.postmessage; /event_types|/scheduling_links|/scheduled_events|/slots|/availability;
            /guests|/tables|/rooms; /conversations; /activities|/meetings|/invitees; /gmail; /mailboxes|/mail; /2010
            /accounts
        """,
        example="POST /v1/calendars/primary answered: no",
    ),
    rule(
        "concierge.send",
        4,
        CONCIERGE,
        says="""
            could|cannot|couldnt|unable|failed|fails|not not? to? send|sending|deliver|post *
            email|mail|message|invitation|sms|reminder|notification|confirmation|invite|whatsapp|text;
            message|email|sms|whatsapp|reminder|invitation|slack not sent|delivered; failed to send|deliver;
            undelivered; unsubscribed recipient; recipient * unreachable|invalid|opted; channel not found;
            email bounced; sms; invalid 'to'
        """,
        example="Could not send the invitation",
    ),
)
