//! Who tells of what: the catalogue of contexts and the aggregates whose events are theirs. Each
//! context is a stream of the bus.

use crate::ports::bus::Topic;

/// Every context that records events, with the first words of its subjects.
pub const TOPICS: &[Topic] = &[
    Topic { stream: "identity", aggregates: &["user"] },
    Topic {
        stream: "gigs",
        aggregates: &[
            "gig",
            "application",
            "contract",
            "milestone",
            "dispute",
            "review",
            "payment",
            "invitation",
            "saved_search",
        ],
    },
    Topic { stream: "ledger", aggregates: &["payout", "hold"] },
    Topic { stream: "objects", aggregates: &["upload"] },
    Topic {
        stream: "learning",
        aggregates: &["course", "announcement", "enrolment", "attempt", "submission", "certificate"],
    },
    Topic { stream: "chat", aggregates: &["room", "message", "member"] },
    Topic { stream: "career", aggregates: &["mentor", "booking", "mentor_review", "profile", "evidence"] },
    Topic { stream: "gamification", aggregates: &["xp", "level", "badge", "league"] },
    Topic { stream: "privacy", aggregates: &["export", "erasure"] },
    Topic { stream: "discovery", aggregates: &["match", "recommendation"] },
    #[cfg(test)]
    Topic { stream: "testing", aggregates: &["thing"] },
];

/// Whether the catalogue has that subject under that context.
pub(super) fn is_declared(context: &str, subject: &str) -> bool {
    let aggregate = subject.split('.').next().unwrap_or_default();
    TOPICS.iter().any(|topic| topic.stream == context && topic.aggregates.contains(&aggregate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_contexts_tell_of_the_same_aggregate() {
        let mut all: Vec<_> = TOPICS.iter().flat_map(|topic| topic.aggregates).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "JetStream refuses overlapping streams");
    }
}
