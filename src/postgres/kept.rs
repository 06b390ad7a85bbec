//! Statements in SQL's own words that are prepared once a connection.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
};

/// A query made by `diesel::sql_query` whose text never changes.
///
/// diesel cannot know that, so it has such a query prepared, executed and forgotten each time: three round
/// trips and a plan. Within this, it is prepared at its first use on a connection and kept there by its text,
/// as diesel's own queries are. Only for text without anything in it that differs from call to call, or each
/// call leaves a statement behind.
#[derive(Debug, Clone, Copy)]
#[must_use = "a query does nothing until it is loaded or executed"]
pub struct Kept<Q>(pub Q);

impl<Q: QueryFragment<Pg>> QueryFragment<Pg> for Kept<Q> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.walk_ast(out)
    }

    fn is_safe_to_cache_prepared(&self, _: &Pg) -> QueryResult<bool> {
        Ok(true)
    }
}

impl<Q: Query> Query for Kept<Q> {
    type SqlType = Q::SqlType;
}

impl<Q> QueryId for Kept<Q> {
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}
