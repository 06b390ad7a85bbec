//! Schema `discovery`. Always Postgres: what events change commits with their inbox row.

pub(super) mod documents;
pub(super) mod feedback;
pub(super) mod matches;
pub(super) mod seekers;
