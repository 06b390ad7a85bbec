//! What every adapter of the board copies keeps to: it does what a sorted list does.

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

use super::{Boards, Ranked, Row};

#[derive(Clone, Debug)]
enum Step {
    Upsert(Vec<(u8, i64, i64)>),
    Remove(u8),
    Rebuild(Vec<(u8, i64, i64)>),
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
    let step = prop_oneof![
        6 => rows().prop_map(Step::Upsert),
        2 => (0u8..20).prop_map(Step::Remove),
        1 => rows().prop_map(Step::Rebuild),
    ];
    proptest::collection::vec(step, 1..12)
}

fn who(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) << 64)
}

/// Each member once, the last word counts.
fn given(rows: &[(u8, i64, i64)]) -> Vec<Row> {
    let last: BTreeMap<u8, Row> = rows
        .iter()
        .map(|(n, score, reached)| (*n, Row { member: who(*n), score: *score, reached: *reached }))
        .collect();
    last.into_values().collect()
}

fn ordered(model: &BTreeMap<Uuid, Row>) -> Vec<Ranked> {
    let mut rows: Vec<Row> = model.values().copied().collect();
    rows.sort_by_key(|row| (Reverse(row.score), row.reached, row.member));
    rows.into_iter().zip(1..).map(|(row, rank)| Ranked { rank, row }).collect()
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
    let mut model = BTreeMap::new();
    for step in steps {
        match step {
            Step::Upsert(rows) => {
                let rows = given(rows);
                boards.upsert(board, &rows).await.unwrap();
                model.extend(rows.into_iter().map(|row| (row.member, row)));
            }
            Step::Remove(n) => {
                let was = boards.remove(board, who(*n)).await.unwrap();
                prop_assert_eq!(was, model.remove(&who(*n)).is_some());
            }
            Step::Rebuild(rows) => {
                let rows = given(rows);
                boards.rebuild(board, &rows).await.unwrap();
                model = rows.into_iter().map(|row| (row.member, row)).collect();
            }
        }
        let all = ordered(&model);
        prop_assert_eq!(&boards.range(board, 1, 100).await.unwrap(), &all);
        prop_assert_eq!(boards.len(board).await.unwrap(), all.len() as u64);
        prop_assert_eq!(
            &boards.range(board, 3, 2).await.unwrap()[..],
            all.get(2..4.min(all.len())).unwrap_or(&[])
        );
        for n in [0, 7, 19] {
            let place = all.iter().position(|ranked| ranked.row.member == who(n));
            prop_assert_eq!(boards.rank(board, who(n)).await.unwrap(), place.map(|at| all[at]));
            let around = boards.around(board, who(n), 2).await.unwrap();
            let want = place.map_or(&[][..], |at| &all[at.saturating_sub(2)..all.len().min(at + 3)]);
            prop_assert_eq!(&around[..], want);
        }
    }
    Ok(())
}
