//! Taking over another store's log.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    folding, place,
    schema::{events as table, streams},
    seq,
};
use crate::contexts::chat::{
    model::{Event, RoomId},
    store::{StoreError, Top},
};

/// Rows of one statement; each has nine binds, and a statement 65,535 at most.
const ROWS: usize = 500;

/// Inside a transaction.
pub(super) async fn take_over(
    conn: &mut AsyncPgConnection,
    room: RoomId,
    from: &Top,
    stretch: &[Event],
) -> Result<(), StoreError> {
    let first = place(from.first_seq);
    diesel::insert_into(streams::table)
        .values((
            streams::room_id.eq(room),
            streams::epoch.eq(&from.epoch),
            streams::first_seq.eq(first),
            streams::last_seq.eq(first - 1),
        ))
        .on_conflict(streams::room_id)
        .do_update()
        .set((streams::epoch.eq(&from.epoch), streams::first_seq.eq(first)))
        .execute(conn)
        .await?;
    let last: i64 = streams::table.find(room).for_update().select(streams::last_seq).first(conn).await?;
    let fresh: Vec<&Event> = stretch.iter().filter(|event| event.seq > seq(last)).collect();
    let (Some(begin), Some(end)) = (fresh.as_slice().first(), fresh.as_slice().last()) else { return Ok(()) };
    if begin.seq != seq(last) + 1 {
        let missing = format!("events {} to {} are missing", last + 1, begin.seq);
        return Err(StoreError::Failed(missing.into()));
    }
    for part in fresh.chunks(ROWS) {
        let rows: Vec<_> = part
            .iter()
            .map(|event| {
                (
                    table::room_id.eq(room),
                    table::seq.eq(place(event.seq)),
                    table::kind.eq(event.payload.kind()),
                    table::message_id.eq(event.message_id),
                    table::sender_id.eq(event.sender_id),
                    table::client_msg_id.eq(event.client_msg_id.as_str()),
                    table::data.eq(event.payload.data()),
                    table::created_at.eq(event.created_at),
                    table::correlation_id.eq(&event.correlation_id),
                )
            })
            .collect();
        diesel::insert_into(table::table).values(rows).execute(conn).await?;
    }
    diesel::update(streams::table.find(room)).set(streams::last_seq.eq(place(end.seq))).execute(conn).await?;
    let told: Vec<Event> =
        fresh.into_iter().filter(|event| !folding::is_plain(&event.payload)).cloned().collect();
    folding::take(conn, room, &told).await
}
