//! Whom a text mentions: `@room`, `@` and a member's name, or `<@id>` where a client knows the id.
//!
//! A name is matched without regard to case, the longest first: the whole display name, the name without
//! its blanks, or the first word of it where only one member has it. What stands in code is no mention.

use std::collections::HashMap;

use super::{
    markup::{Piece, pieces},
    model::Mentions,
};
use crate::principal::UserId;

/// People that one message may mention by name.
pub const MOST: usize = 50;

/// Places in the text where an `@` begins a mention: what follows it.
fn calls(text: &str) -> impl Iterator<Item = &str> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            _ => None,
        })
        .flat_map(|text| {
            text.match_indices('@').filter_map(move |(at, _)| {
                let before = text[..at].chars().next_back();
                (!before.is_some_and(char::is_alphanumeric)).then(|| &text[at + 1..])
            })
        })
}

/// Whether a text may mention anybody: otherwise the members' names need not be read.
pub fn may_mention(text: &str) -> bool {
    calls(text).any(|rest| rest.starts_with(|c: char| c.is_alphanumeric()))
}

/// Whether `rest` begins with `name`, and the name ends there.
fn begins(rest: &str, name: &str) -> bool {
    let mut text = rest.chars();
    for expected in name.chars() {
        let Some(found) = text.next() else { return false };
        if found != expected && !found.to_lowercase().eq(expected.to_lowercase()) {
            return false;
        }
    }
    !name.is_empty() && !text.next().is_some_and(char::is_alphanumeric)
}

/// The ids that `<@id>` names, each once, in the order of the text.
pub fn named_ids(text: &str) -> Vec<UserId> {
    let mut ids: Vec<UserId> = Vec::new();
    for rest in calls(text) {
        let id = rest.split_once('>').and_then(|(id, _)| id.parse::<UserId>().ok());
        if let Some(id) = id.filter(|id| !ids.contains(id)) {
            ids.push(id);
        }
    }
    ids.truncate(MOST);
    ids
}

/// Resolves a text among people with their names.
pub fn resolve(text: &str, people: &HashMap<UserId, String>) -> Mentions {
    let mut firsts: HashMap<String, usize> = HashMap::new();
    for name in people.values() {
        if let Some(first) = name.split_whitespace().next() {
            *firsts.entry(first.to_lowercase()).or_default() += 1;
        }
    }
    let mut spelt: Vec<(String, UserId)> = Vec::new();
    for (id, name) in people {
        let joined: String = name.split_whitespace().collect();
        let first = name.split_whitespace().next().unwrap_or_default();
        if firsts.get(&first.to_lowercase()) == Some(&1) {
            spelt.push((first.to_owned(), *id));
        }
        if joined != *name {
            spelt.push((joined, *id));
        }
        spelt.push((name.clone(), *id));
    }
    // The longest first; two of one name are both meant.
    spelt.sort_by_key(|(name, id)| (std::cmp::Reverse(name.chars().count()), *id));
    let mut mentions = Mentions::default();
    for rest in calls(text) {
        if begins(rest, "room") {
            mentions.room = true;
            continue;
        }
        let by_id = rest.split_once('>').and_then(|(id, _)| id.parse::<UserId>().ok());
        let meant: Vec<UserId> = match by_id.filter(|id| people.contains_key(id)) {
            Some(id) => vec![id],
            None => {
                let longest =
                    spelt.iter().find(|(name, _)| begins(rest, name)).map(|(name, _)| name.chars().count());
                let same = |name: &str| Some(name.chars().count()) == longest && begins(rest, name);
                spelt.iter().filter(|(name, _)| same(name)).map(|(_, id)| *id).collect()
            }
        };
        for id in meant {
            if !mentions.users.contains(&id) && mentions.users.len() < MOST {
                mentions.users.push(id);
            }
        }
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_ids_and_the_room() {
        let ids: Vec<UserId> = (0..5).map(|_| UserId::new()).collect();
        let names = ["Ada Lovelace", "Ada Byron", "Ben", "Zoë Ångström", "Ben Bolt"];
        let people: HashMap<UserId, String> = ids.iter().copied().zip(names.map(str::to_owned)).collect();
        let of = |text: &str| resolve(text, &people).users;
        assert_eq!(of("hi @ada lovelace!"), [ids[0]]);
        assert_eq!(of("@AdaByron and @ben"), [ids[1], ids[2]]);
        assert_eq!(of("@Ben Bolt"), [ids[4]]);
        assert_eq!(of("@Ada"), [], "there are two");
        assert_eq!(of("(@zoë), @ZOË ångström"), [ids[3]]);
        assert_eq!(of(&format!("<@{}> and <@{}>", ids[2], UserId::new())), [ids[2]]);
        assert_eq!(of("ben@ben.org, @bending, `@ben`\n```\n@ben\n```"), []);
        assert!(resolve("@room, look", &people).room && !resolve("@roommate `@room`", &people).room);
        assert!(may_mention("@x") && !may_mention("a@b.c, @ 5, `@x`"));
    }
}
