//! What follows from the marketplace's events: news on channels, and the contract's chat room.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    GigsError,
    channels::Live,
    model::{ContractId, GigId},
    service::tell_searchers,
    store,
    views::GigView,
};
use crate::{
    contexts::chat::{Chat, ContractRoom, RoomId},
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    principal::UserId,
};

/// Everybody here who acts on events.
pub fn consumers(live: &Live, chat: &Chat) -> Vec<Arc<dyn Consumer>> {
    vec![
        Arc::new(News { live: live.clone() }),
        Arc::new(Rooms { chat: chat.clone() }),
        Arc::new(Searches { live: live.clone() }),
    ]
}

/// Shows what happened to those who look: the board, a gig, the two sides of a contract.
struct News {
    live: Live,
}

impl Consumer for News {
    fn name(&self) -> &'static str {
        "gigs.live"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["gig.*", "application.*", "contract.*", "milestone.*", "dispute.*", "payment.*", "review.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let (aggregate, what) = event.subject.split_once('.').unwrap_or_default();
            let sort = Sort::of(aggregate, what);
            let live = self.live.clone();
            match aggregate {
                "gig" | "application" => {
                    let Some(id) = id(&event.data, "gig_id").map(GigId) else {
                        return Ok(AfterCommit::nothing());
                    };
                    // Whoever hears the news reads the page again.
                    live.changed(id).await;
                    // Read now, not when it happened: counters never show an older state than one
                    // that was shown before.
                    let Some(gig) = store::gigs::load(conn, id).await? else {
                        return Ok(AfterCommit::nothing());
                    };
                    let view =
                        GigView::of(gig, &[]).map_err(|error| ConsumeError::Reject(error.to_string()))?;
                    Ok(AfterCommit::run(move || tell_of_gig(&live, sort, &view)))
                }
                _ => {
                    if let Some(gig) = id(&event.data, "gig_id").map(GigId) {
                        live.changed(gig).await;
                    }
                    // A review tells of its author and its subject.
                    let side =
                        |role: &str, other: &str| id(&event.data, role).or_else(|| id(&event.data, other));
                    let sides = [side("client_id", "author_id"), side("student_id", "subject_id")];
                    let contract = id(&event.data, "contract_id");
                    let news = json!({
                        "type": "contract_changed", "contract_id": contract, "subject": event.subject,
                        "milestone_id": event.data.get("milestone_id"), "state": event.data.get("state"),
                    });
                    Ok(AfterCommit::run(move || {
                        for side in sides.into_iter().flatten() {
                            live.person(UserId(side), &news);
                        }
                    }))
                }
            }
        })
    }
}

/// What sort of news an event of a gig or of an application is.
enum Sort {
    Posted,
    Changed,
    Counted,
}

impl Sort {
    fn of(aggregate: &str, what: &str) -> Self {
        match (aggregate, what) {
            ("gig", "posted") => Self::Posted,
            ("gig", _) => Self::Changed,
            _ => Self::Counted,
        }
    }
}

fn tell_of_gig(live: &Live, sort: Sort, gig: &GigView) {
    let counters = json!({
        "type": "applications", "gig_id": gig.id, "applications_count": gig.applications_count,
        "accepted": gig.accepted, "slots": gig.slots, "state": gig.state,
    });
    match sort {
        Sort::Posted => live.feed(&json!({ "type": "gig_posted", "gig": gig })),
        Sort::Changed => {
            live.feed(&json!({
                "type": "gig_changed", "gig_id": gig.id, "state": gig.state, "version": gig.version,
            }));
            live.gig(gig.id, &json!({ "type": "gig_changed", "gig": gig }));
        }
        Sort::Counted => live.gig(gig.id, &counters),
    }
}

/// Opens a contract's room and tells there what happened, in words.
struct Rooms {
    chat: Chat,
}

impl Consumer for Rooms {
    fn name(&self) -> &'static str {
        "gigs.rooms"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["contract.*", "milestone.*", "dispute.*", "payment.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let Some(contract) = id(&event.data, "contract_id") else { return Ok(AfterCommit::nothing()) };
            let Some(text) = words(event) else { return Ok(AfterCommit::nothing()) };
            let Some(contract) = store::contracts::load(conn, ContractId(contract)).await? else {
                return Err(ConsumeError::Reject("a contract that is not there".into()));
            };
            // Not after the commit: that may be lost. The event's id makes both harmless to repeat.
            let room = ContractRoom {
                id: RoomId(contract.id.0),
                name: &contract.title,
                members: [contract.client_id, contract.student_id],
            };
            let said = async {
                self.chat.open_contract_room(room).await?;
                self.chat.system_message(RoomId(contract.id.0), event.id, &text).await
            };
            said.await.map_err(|error| ConsumeError::of(&error))?;
            Ok(AfterCommit::nothing())
        })
    }
}

/// What a contract's two sides read about an event; `None` for what they need not know.
fn words(event: &Envelope) -> Option<String> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let milestone = || format!("“{}”", text("title"));
    let amount = || {
        let money = event.data.get("amount").cloned().unwrap_or_default();
        serde_json::from_value::<crate::money::Money>(money)
            .map(|money| money.to_string())
            .unwrap_or_default()
    };
    // A person's words stay with the person's own: here they would outlive an erasure.
    let note = || if text("note").is_empty() { "" } else { " A note is on the contract." };
    let by_time = text("actor") == "timer";
    Some(match event.subject.as_str() {
        "contract.created" => format!("The contract for {} is made. Talk here.", milestone()),
        "contract.activated" => "The contract is active: work can begin.".to_owned(),
        "contract.completed" => "The contract is complete. You can review each other now.".to_owned(),
        "contract.ended" => "The contract has ended. You can review each other now.".to_owned(),
        "contract.cancelled" => "The contract was cancelled.".to_owned(),
        "milestone.funded" => format!("{} is paid for: {} is held.", milestone(), amount()),
        "milestone.submitted" => format!("{} was delivered.{}", milestone(), note()),
        "milestone.changes_requested" => format!("Changes are wanted for {}.{}", milestone(), note()),
        "milestone.approved" if by_time => {
            format!("{} was approved, since nobody objected in 14 days.", milestone())
        }
        "milestone.approved" => format!("{} was approved.", milestone()),
        "milestone.released" => format!("{} for {} was released.", amount(), milestone()),
        "milestone.refund_requested" => {
            format!(
                "The client wants {} for {} back. Agree, or open a dispute within 7 days.",
                amount(),
                milestone()
            )
        }
        "milestone.refunded" => format!("{} for {} went back to the client.", amount(), milestone()),
        "dispute.opened" => format!("A dispute about {} was opened; an operator looks into it.", milestone()),
        "dispute.resolved" => format!("The dispute about {} was decided.", milestone()),
        "payment.failed" => format!("The payment for {} failed; it can be tried again.", milestone()),
        "payment.returned" => format!("A payment for {} came too late and goes back by itself.", milestone()),
        "payment.charged_back" => format!("The bank took the payment for {} back.", milestone()),
        _ => return None,
    })
}

/// Finds out whose saved searches a gig that was posted meets.
struct Searches {
    live: Live,
}

impl Consumer for Searches {
    fn name(&self) -> &'static str {
        "gigs.searches"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["gig.posted", "invitation.sent"]
    }

    // Each gig locks the searches that it meets, in one order; those of several gigs come in the order of events.
    fn shares_transactions(&self) -> bool {
        false
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let live = self.live.clone();
            if event.subject == "invitation.sent" {
                let Some(student) = id(&event.data, "student_id") else { return Ok(AfterCommit::nothing()) };
                let news = json!({
                    "type": "invited", "gig_id": event.data.get("gig_id"), "title": event.data.get("gig_title"),
                });
                return Ok(AfterCommit::run(move || live.person(UserId(student), &news)));
            }
            let Some(gig) = id(&event.data, "gig_id").map(GigId) else { return Ok(AfterCommit::nothing()) };
            let Some(gig) = store::gigs::load(conn, gig).await? else { return Ok(AfterCommit::nothing()) };
            let met = tell_searchers(conn, &gig, event.time).await.map_err(|error| match error {
                GigsError::Db(error) => ConsumeError::Db(error),
                other => ConsumeError::Reject(other.to_string()),
            })?;
            let (gig_id, title) = (gig.id, gig.title);
            Ok(AfterCommit::run(move || {
                for search in met {
                    live.person(
                        search.user_id,
                        &json!({
                            "type": "saved_search_matched", "saved_search_id": search.id, "name": search.name,
                            "gig_id": gig_id, "title": title,
                        }),
                    );
                }
            }))
        })
    }
}

fn id(data: &Value, name: &str) -> Option<Uuid> {
    data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}
