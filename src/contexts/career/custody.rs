//! What careers know of a person.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{
    Career, CareerError,
    service::step_booking,
    store::{self, bookings::Filter, moves::By},
};
use crate::{
    custody::{self, Answer, Counts, Custodian, Forgotten, Names, Sink},
    machine::Actor,
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    ("profile", "SELECT * FROM career.profiles WHERE user_id = $1"),
    ("projects", "SELECT * FROM career.projects WHERE user_id = $1 ORDER BY position, id"),
    ("evidence", "SELECT * FROM career.evidence WHERE user_id = $1 ORDER BY at"),
    ("endorsements", "SELECT * FROM career.endorsements WHERE user_id = $1 OR by_id = $1"),
    ("follows", "SELECT person_id, skill, created_at FROM career.follows WHERE follower_id = $1 ORDER BY id"),
    ("mentor", "SELECT * FROM career.mentors WHERE id = $1"),
    ("bookings", "SELECT * FROM career.bookings WHERE seeker_id = $1 OR mentor_id = $1 ORDER BY id"),
    ("mentorships", "SELECT * FROM career.mentorships WHERE seeker_id = $1 OR mentor_id = $1 ORDER BY id"),
    (
        "goals-and-actions",
        "SELECT i.* FROM career.items i JOIN career.mentorships m ON m.id = i.mentorship_id
         WHERE m.seeker_id = $1 OR m.mentor_id = $1 ORDER BY i.id",
    ),
    ("notes", "SELECT * FROM career.notes WHERE author_id = $1 ORDER BY id"),
    ("reviews", "SELECT * FROM career.reviews WHERE author_id = $1 ORDER BY id"),
    ("waiting-lists", "SELECT * FROM career.waitlist WHERE user_id = $1 ORDER BY id"),
];

impl Career {
    /// Calls off the sessions that somebody is still in, and forgets them.
    async fn let_go(&self, conn: &mut AsyncPgConnection, user: UserId) -> Result<Counts, CareerError> {
        let now = self.now();
        let filter = Filter { mentor: Some(user), seeker: Some(user), ..Filter::default() };
        let theirs = store::bookings::list(conn, filter, i64::MAX).await?;
        let live: Vec<_> = theirs.into_iter().filter(|booking| booking.state.is_live()).collect();
        // All calendars at once, in their order: one by one they could be somebody else's in turn.
        let people: Vec<UserId> = live.iter().flat_map(|one| [one.mentor_id, one.seeker_id]).collect();
        store::calendars::lock(conn, &people).await?;
        let mut ended = 0;
        for booking in live {
            let Some(mut booking) = store::bookings::lock(conn, booking.id).await? else { continue };
            let side = booking.side(user).unwrap_or(Actor::Student);
            if booking.state.is_live() {
                let by = By { actors: &[side], user: None };
                step_booking(conn, &mut booking, "cancel", by, now, json!({})).await?;
                ended += 1;
            }
        }
        let mut counts = store::erasure::forget(conn, user, now).await?;
        if ended > 0 {
            counts.insert("sessions called off", ended);
        }
        Ok(counts)
    }
}

impl Custodian for Career {
    fn names(&self) -> Names {
        Names { context: "career", eraser: "career.erase", exporter: "career.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move { Ok(custody::tables(conn, person, sink, KNOWN).await?) })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            Ok(Forgotten {
                counts: self.let_go(conn, person).await?,
                kept: &["that sessions took place, and their stars: the other side's, and the books'"],
                ..Forgotten::default()
            })
        })
    }

    fn settle<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, ()> {
        Box::pin(async move {
            self.let_go(conn, person).await?;
            Ok(())
        })
    }
}
