//! What discovery tells others.

/// A gig fits somebody who looks for work: once a person and gig. The gig is the aggregate. Data:
/// `{user_id, gig_id, gig_title, score, reason, reasons, weights_version}`.
pub const MATCH_FOUND: &str = "match.found";

/// What somebody did with results; the person is the aggregate. Data:
/// `{user_id, items: [{kind, id}], at}`. Only what was not known of.
pub const SHOWN: &str = "recommendation.shown";
/// As [`SHOWN`].
pub const OPENED: &str = "recommendation.opened";
/// As [`SHOWN`].
pub const APPLIED: &str = "recommendation.applied";
/// As [`SHOWN`].
pub const DISMISSED: &str = "recommendation.dismissed";

/// Whose events these are.
pub(super) const CONTEXT: &str = "discovery";
