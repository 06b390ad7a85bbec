//! What every adapter of the board copies keeps to: it does what a sorted list does, for one writer.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use uuid::Uuid;

use super::{Boards, Change, Query, Ranked, Row, Stamp, View, Written};

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, i64, i64)>, Vec<u8>),
    Replace(Vec<(u8, i64, i64)>),
    /// A later writer takes over.
    Next(Vec<(u8, i64, i64)>),
    Spoil,
}

/// Scores that a double cannot tell apart, equal ones, both ends of the range.
fn score() -> impl Strategy<Value = i64> {
    let edge = 1_i64 << 53;
    prop_oneof![
        4 => (-3_i64..4).prop_map(move |n| edge + n),
        2 => 0_i64..3,
        1 => (-3_i64..4).prop_map(move |n| -edge + n),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MAX - 1), Just(i64::MIN), any::<i64>()],
    ]
}

fn rows() -> impl Strategy<Value = Vec<(u8, i64, i64)>> {
    proptest::collection::vec((0u8..20, score(), 0i64..3), 0..12)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let gone = proptest::collection::vec(0u8..20, 0..4);
    let step = prop_oneof![
        8 => (rows(), gone).prop_map(|(rows, gone)| Step::Write(rows, gone)),
        1 => rows().prop_map(Step::Replace),
        1 => rows().prop_map(Step::Next),
        1 => Just(Step::Spoil),
    ];
    proptest::collection::vec(step, 1..12)
}

fn who(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) << 64)
}

/// Each member once, the last word counts.
fn given(rows: &[(u8, i64, i64)]) -> BTreeMap<Uuid, Row> {
    let row =
        |(n, score, reached): &(u8, i64, i64)| Row { member: who(*n), score: *score, reached: *reached };
    rows.iter().map(row).map(|row| (row.member, row)).collect()
}

fn ordered(model: &BTreeMap<Uuid, Row>) -> Vec<Ranked> {
    let mut rows: Vec<Row> = model.values().copied().collect();
    rows.sort_by_key(|row| (Reverse(row.score), row.reached, row.member));
    rows.into_iter().zip(1..).map(|(row, rank)| Ranked { rank, row }).collect()
}

fn stamp((token, turn): (u64, u64), total: usize) -> Stamp {
    Stamp { token, turn, about: format!("by {token}, {turn}, {total}"), total: total as u64 }
}

/// Runs the suite: random steps, each followed by every sort of question. Blocks; call it outside of a
/// runtime's threads.
pub(crate) fn keeps_to_it(boards: &Arc<dyn Boards>, runtime: &tokio::runtime::Runtime, salt: &str) {
    let next = AtomicUsize::new(0);
    let mut runner = TestRunner::default();
    let ran = runner.run(&steps(), |steps| {
        let board = format!("{salt}-{}", next.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(follows_the_model(&**boards, &board, &steps))
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

async fn follows_the_model(boards: &dyn Boards, board: &str, steps: &[Step]) -> Result<(), TestCaseError> {
    // Tokens are past what a double tells apart, and grow by a digit.
    let mut token = (9_999_999_999_999_999_998, 7);
    let mut model: BTreeMap<Uuid, Row> = BTreeMap::new();
    prop_assert_eq!(boards.write(board, &stamp(token, 0), &[]).await.unwrap(), Written::Lost);
    prop_assert_eq!(boards.replace(board, &stamp(token, 0), &[]).await.unwrap(), Written::Done);
    for step in steps {
        token.1 += 1;
        match step {
            Step::Write(rows, gone) => {
                let mut changes = BTreeMap::new();
                for (member, row) in given(rows) {
                    changes.insert(member, Change::Put(row));
                    model.insert(member, row);
                }
                for n in gone {
                    changes.insert(who(*n), Change::Gone(who(*n)));
                    model.remove(&who(*n));
                }
                let changes: Vec<Change> = changes.into_values().collect();
                let written = boards.write(board, &stamp(token, model.len()), &changes).await.unwrap();
                prop_assert_eq!(written, Written::Done);
            }
            Step::Replace(rows) | Step::Next(rows) => {
                model = given(rows);
                let before = token;
                token.0 += u64::from(matches!(step, Step::Next(_)));
                let all: Vec<Row> = model.values().copied().collect();
                let written = boards.replace(board, &stamp(token, all.len()), &all).await.unwrap();
                prop_assert_eq!(written, Written::Done);
                if before.0 != token.0 {
                    // Who was before can do nothing any more.
                    let late = boards.write(board, &stamp(before, 1), &[Change::Gone(who(0))]).await.unwrap();
                    prop_assert_eq!(late, Written::Fenced);
                    prop_assert_eq!(
                        boards.replace(board, &stamp(before, 0), &[]).await.unwrap(),
                        Written::Fenced
                    );
                }
            }
            Step::Spoil => {
                boards.spoil(board).await.unwrap();
                let query = Query::Range { from: 1, limit: 1 };
                prop_assert_eq!(boards.view(board, &query).await.unwrap().about, None);
                let lost = boards.write(board, &stamp(token, model.len()), &[]).await.unwrap();
                prop_assert_eq!(lost, Written::Lost);
                let all: Vec<Row> = model.values().copied().collect();
                boards.replace(board, &stamp(token, all.len()), &all).await.unwrap();
            }
        }
        // A write that comes too late is left out, and so is a whole board.
        let late = stamp((token.0, token.1 - 1), 1);
        let row = Row { member: who(0), score: 1, reached: 1 };
        prop_assert_eq!(boards.write(board, &late, &[Change::Put(row)]).await.unwrap(), Written::Late);
        prop_assert_eq!(boards.replace(board, &late, &[row]).await.unwrap(), Written::Late);
        asks_everything(boards, board, token, &model).await?;
    }
    // Another number than the writer's: something is missing.
    let wrong = boards.write(board, &stamp(token, model.len() + 1), &[]).await.unwrap();
    prop_assert_eq!(wrong, Written::Lost);
    prop_assert_eq!(boards.view(board, &Query::Among(Vec::new())).await.unwrap().about, None);
    Ok(())
}

async fn asks_everything(
    boards: &dyn Boards,
    board: &str,
    token: (u64, u64),
    model: &BTreeMap<Uuid, Row>,
) -> Result<(), TestCaseError> {
    let all = ordered(model);
    let total = all.len() as u64;
    let view =
        |rows: &[Ranked]| View { rows: rows.to_vec(), total, about: Some(stamp(token, all.len()).about) };
    let cut = |from: usize, to: usize| view(all.get(from.min(all.len())..to.min(all.len())).unwrap_or(&[]));
    for (from, limit) in [(1, 100), (3, 2), (0, 1), (1, 0), (50, 5)] {
        let first = from.max(1) as usize - 1;
        let found = boards.view(board, &Query::Range { from, limit }).await.unwrap();
        prop_assert_eq!(found, cut(first, first + limit as usize), "from {} take {}", from, limit);
    }
    for n in [0, 7, 19] {
        let place = all.iter().position(|ranked| ranked.row.member == who(n));
        let around = boards.view(board, &Query::Around { member: who(n), span: 2 }).await.unwrap();
        prop_assert_eq!(around, place.map_or(view(&[]), |at| cut(at.saturating_sub(2), at + 3)));
    }
    let some = [0, 3, 19, 3, 8].map(who);
    let among = boards.view(board, &Query::Among(some.to_vec())).await.unwrap();
    let want: Vec<Ranked> = all.iter().copied().filter(|ranked| some.contains(&ranked.row.member)).collect();
    prop_assert_eq!(among, view(&want));
    Ok(())
}
