"""Rules for billing: payments, invoices, subscriptions, and billing data that disagree between systems."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import BILLING, CREDENTIAL, MONEY, NEVER, PERSON, REPAIR, STALL

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "billing.word",
        2.4,
        BILLING,
        says="billing; payment; payments",
        example="Look at the payment",
    ),
    rule(
        "billing.everyday",
        3.2,
        BILLING,
        says="""
            subscription; subscriptions; mandate; receipt; line item|items|total; account code; due date;
            bill; purchase order; journal entry; ledger; merchant; instrument; tax rate|id; currency; contact
            group; reconcile; reconciled; reconciliation; wallet; coupon; renewal; paid
        """,
        example="A coupon was lost",
    ),
    rule(
        "billing.noun",
        3.5,
        BILLING,
        says="""
            invoice; invoices; invoicing; invoiced; refund; refunds; refunded; payout; payouts; chargeback; dispute
            lost; checkout session; dunning; direct debit; sepa; credit note; credit memo; tax type; accpay; accrec;
            payment intent; customer cus; unbilled; prorated|proration; metered usage; balance transaction; iban; bank
            account|transfer; vat; amount captured|charged|paid|billed|refunded|received|credited; credit card; debit
            card; card number; amount due
        """,
        example="The refund never came",
    ),
    rule(
        "billing.maker",
        3.5,
        BILLING,
        says="""
            wise
        """,
        example="WorldRemit and Wise said nothing",
    ),
    rule(
        "billing.declined",
        8,
        BILLING,
        PERSON,
        says="""
            card|payment|charge|transaction|instrument|debit|cc * declined|declines|decline|refused|rejected;
            declined * by; declines|declined; expired card; card has expired; card * expired; requires *
            action|authentication|confirmation|verification; additional user|customer action; 3 d secure; 3ds; 3d
            secure; strong customer authentication; do not honor|honour; incorrect cvc|cvv; security code; contact *
            bank|issuer; issuer; mandate *
            cancelled|canceled|inactive|revoked|pending|invalid|missing|required|expired|available|finalized|found|rejected;
            requires|no existing? a? mandate; bank account closed; payment method *
            required|missing|detached|expired; honour; cvv
        """,
        codes="""
            card_declined generic_decline do_not_honor INSTRUMENT_DECLINED expired_card incorrect_cvc
            incorrect_number invalid_cvc authentication_required payment_intent_action_required
            invoice_payment_intent_requires_action bank_account_declined CardError card_error
            payment_intent_authentication_failure transaction_not_allowed call_issuer card_not_supported
            currency_not_supported invalid_account invalid_number incorrect_zip
            subscription_payment_intent_requires_action card_velocity_exceeded withdrawal_count_limit_exceeded
            requires_action requires_payment_method requires_confirmation debit_not_authorized account_closed
            CARD_EXPIRED PAYER_ACTION_REQUIRED PAYER_CANNOT_PAY TRANSACTION_REFUSED Refused gateway_rejected
            processor_declined issuer_declined bank_decline PAYMENT_DENIED
        """,
        example="The issuer said do not honor",
    ),
    rule(
        "billing.no-funds",
        9,
        BILLING,
        MONEY,
        says="insufficient|not|no enough? funds; non sufficient funds; insufficient funds",
        codes="insufficient_funds INSUFFICIENT_FUNDS NSF balance_insufficient insufficient_fund",
        example="NSF on the second debit",
    ),
    rule(
        "billing.fraud",
        12,
        BILLING,
        NEVER,
        says="""
            lost|stolen card; pick up card; reported lost|stolen|as; fraud; fraudulent; blocked by radar|stripe;
            high risk; suspected fraud; highest risk; blacklisted; sanctions
        """,
        codes="""
            lost_card stolen_card pickup_card fraudulent merchant_blacklist restricted_card highest_risk_level
            security_violation suspected_fraud FRAUD stop_payment_order revocation_of_all_authorizations
        """,
        example="The card was reported stolen",
    ),
    rule(
        "billing.sync",
        5,
        BILLING,
        REPAIR,
        says="""
            out of sync; not in sync; desync; desynced; desynchronized; out of step; not
            reflected|synced|syncing|reconciled|matching|recorded|posted|booked|credited|applied; not synced; sync
            failed|failure|error; webhook|webhooks|callback|ipn *
            not|never|missed|failing|failed|missing|lost|late|dropped|delivered|drops|abort|skipped; missed
            webhook|webhooks|event|events; still says|shows|showing|marked|listed|as *
            unpaid|paid|open|active|pending|due|overdue; order never|not updates|updated|processed;
            captured|charged|paid|deducted but|and|twice|without; payment|payments
            succeeded|succeeding|successful|received|completed but|yet|and; charged twice; double
            charged|charge|billed|payment|charging; duplicate charge|payment|invoice; never reconciled;
            amount|amounts|total|totals|balance|balances|payment|invoice|ledger|currency|price|tax|quantity|status|state
            mismatch; does not match * total|amount|balance|ledger|invoice; total|totals differ|differs|mismatch;
            leaving the money; remain unbilled; never arrived; not updated; no matching order|payment|invoice;
            corresponding order; drops the event; older than the cursor; cancelled state; leaves customer; state
            transition|to; order state; error transitioning; canceled webhook; orders * stuck; never
            synced|recorded|posted|credited|booked|applied|refunded|synchronised|synchronized; order of
            webhook|webhooks|events; webhook|webhooks|event|events|callbacks * out of order;
            received|arrived|delivered|processed out of order; stays|stayed|remains|remained|still
            incomplete|unpaid|open|past
        """,
        codes="ORDER_STATE_TRANSITION_ERROR event_out_of_order",
        example="The two systems are out of sync",
    ),
    rule(
        "billing.stuck-money",
        7,
        BILLING,
        REPAIR,
        says="""
            stalled|stuck|frozen|hanging|hung|pending
            payment|payments|invoice|invoices|payout|payouts|refund|refunds|charge|charges|transfer|settlement|subscription;
            payment|payout|refund|invoice|charge|settlement is|are|was? stuck|stalled|frozen|pending; order|orders
            stuck
        """,
        against=(STALL,),
        example="A stalled payment in run 7",
    ),
    rule(
        "billing.reference",
        5,
        BILLING,
        REPAIR,
        says="""
            no such customer|subscription|invoice|charge|price|plan|payment|coupon|product|token|source|refund; no|not
            subscription|subscriptions|invoice|invoices found|have; not have a subscription;
            subscription|invoice|customer|payment|charge|order not found|exist;
            mandate|subscription|invoice|payment|charge|refund already? exists; already
            paid|refunded|captured|voided|cancelled|canceled|charged; cannot be refunded|voided|captured; must be
            unique; document|invoice|amount|total must|cannot; line total; subscription * deleted|canceled|cancelled
        """,
        codes="""
            charge_already_captured charge_already_refunded intent_invalid_state payment_intent_unexpected_state
            product_inactive resource_already_exists livemode_mismatch invoice_already_paid amount_too_large
            amount_too_small invoice_not_editable INVALID_RESOURCE_ID ORDER_ALREADY_CAPTURED DUPLICATE_INVOICE_ID
            invoice_no_customer_line_items tax_id_invalid ORDER_NOT_APPROVED setup_intent_unexpected_state
            customer_tax_location_invalid
        """,
        example="The order was already captured",
    ),
    rule(
        "billing.signature",
        9,
        BILLING,
        CREDENTIAL,
        says="""
            webhook signature|secret; signature verification; no signatures found; signature is not match; signature
            does not match; signing secret; verify the signature; signature * match|valid|verified|matching;
            endpoint secret
        """,
        codes="SignatureVerificationError",
        example="No signatures found for the event",
    ),
    rule(
        "billing.failed",
        4,
        BILLING,
        says="""
            generate|generating|create|creating|creeating|download|render|send|finalize|finalizing|void|collect
            a|an|new|the|any new? invoice|invoices|receipt|charge|payment;
            invoice|invoices|payment|payments|charge|charges|payout|refund
            failed|fails|failing|failure|error|died|can|cannot|couldnt|rejected|unsuccessful; failed|failing
            payment|payments|charge|invoice|refund|payout|renewal; invoice pdf; payment doesnt; charge was; stripe
            version; paypal connection
        """,
        example="Could not collect the charge",
    ),
)
