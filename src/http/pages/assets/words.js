// States and steps of the marketplace and of learning in words.

export const GIG = {
  draft: "Draft", open: "Open", paused: "Paused", filled: "Filled", expired: "Expired",
  cancelled: "Called off", completed: "Completed", removed: "Removed",
};
export const APPLICATION = {
  submitted: "Applied", shortlisted: "Shortlisted", offered: "Offered", accepted: "Hired",
  declined: "Declined", withdrawn: "Withdrawn", rejected: "Not taken", lapsed: "Lapsed",
};
export const CONTRACT = {
  pending_funding: "Waiting for the first payment", active: "Active", completed: "Completed", ended: "Ended", cancelled: "Cancelled",
};
export const MILESTONE = {
  planned: "Planned", funding: "Payment under way", funded: "Paid for, held", submitted: "Delivered",
  changes_requested: "Changes wanted", approved: "Approved", releasing: "Transfer under way", released: "Released",
  refund_pending: "Refund asked for", refunded: "Given back", disputed: "Disputed", resolved: "Decided",
  charged_back: "Charged back", cancelled: "Cancelled",
};
export const ENROLMENT = { pending: "Waiting for the payment", active: "Under way", completed: "Completed", withdrawn: "Left", lapsed: "Not paid" };
export const ATTEMPT = {
  in_progress: "Open", overdue: "Time over", submitted: "Handed in", needs_grading: "Being graded", graded: "Graded", regraded: "Graded anew", abandoned: "Left",
};
export const LIVE = { waiting: "Waiting", open: "Open", closed: "Closed", ended: "Over" };
export const SUBMISSION = { submitted: "Handed in", graded: "Graded", returned: "To be done again" };
export const ITEM = { text: "text", video: "video", file: "file", quiz: "quiz", assignment: "assignment", live: "live session" };
/** What a button says; the first of those that are allowed is the one that leads on. */
export const STEPS = {
  gig: { post: "Post it", resume: "Take applications again", pause: "Pause", cancel: "Call it off", remove: "Remove" },
  application: {
    accept: "Accept the offer", offer: "Make an offer", shortlist: "Shortlist", decline: "Decline",
    withdraw: "Withdraw", reject: "Not this one",
  },
  enrolment: { withdraw: "Leave the course" },
  contract: { cancel: "Cancel the contract", end: "End the contract" },
  milestone: {
    fund: "Pay into protection", submit: "Deliver", approve: "Approve and release", agree_refund: "Agree to the refund",
    request_changes: "Ask for changes", request_refund: "Ask for the money back", dispute: "Open a dispute",
  },
};
/** What the money timeline says of a step. */
export const DONE = {
  contract: { create: "Contract made", activate: "Contract active", complete: "Contract completed", end: "Contract ended", cancel: "Contract cancelled" },
  milestone: {
    fund: "Payment begun", payment_succeeded: "Paid, and held", payment_failed: "Payment failed", submit: "Delivered",
    request_changes: "Changes wanted", approve: "Approved", release: "Transfer begun", released: "Released",
    request_refund: "Refund asked for", agree_refund: "Given back", dispute: "Dispute opened", resolve: "Decided",
    charge_back: "Charged back", cancel: "Cancelled",
  },
  dispute: { create: "Dispute opened", resolve: "Operator decided", supersede: "Overtaken by a charge-back" },
};
/** States in which something is still to come, to colour them. */
export const TONE = {
  open: "good", active: "good", released: "good", completed: "good", accepted: "good", funded: "good", offered: "good",
  graded: "good", regraded: "good", in_progress: "warn", needs_grading: "warn", pending: "warn", returned: "warn", withdrawn: "soft", lapsed: "soft",
  changes_requested: "warn", refund_pending: "warn", disputed: "warn", paused: "warn", pending_funding: "warn",
  funding: "warn", releasing: "warn", charged_back: "bad", cancelled: "soft", expired: "soft", rejected: "soft",
};
