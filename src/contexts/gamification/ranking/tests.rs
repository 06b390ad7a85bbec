use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The model: everybody in a map, sorted anew for every question.
#[derive(Default)]
struct Model(BTreeMap<u128, (i64, i64)>);

impl Model {
    fn sorted(&self) -> Vec<Standing> {
        let mut all: Vec<Standing> = self.0.iter().map(|(user, at)| standing(*user, at.0, at.1)).collect();
        all.sort_by(|a, b| {
            b.score.cmp(&a.score).then(a.reached.cmp(&b.reached)).then(a.user.0.cmp(&b.user.0))
        });
        all
    }
}

fn standing(user: u128, score: i64, reached: i64) -> Standing {
    Standing { user: UserId(uuid::Uuid::from_u128(user)), score, reached }
}

#[derive(Clone, Debug)]
enum Op {
    Put(u128, i64, i64),
    Remove(u128),
}

fn scores() -> impl Strategy<Value = i64> {
    // Few values, so that ties are many; and those that a double cannot tell apart.
    prop_oneof![
        6 => 0..6i64,
        2 => (1i64 << 53)..(1i64 << 53) + 4,
        1 => Just(i64::MAX),
        1 => Just(i64::MIN),
        1 => any::<i64>(),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let user = 0..400u128;
    let op = prop_oneof![
        5 => (user.clone(), scores(), 0..5i64).prop_map(|(u, s, r)| Op::Put(u, s, r)),
        2 => user.prop_map(Op::Remove),
    ];
    proptest::collection::vec(op, 0..1_500)
}

fn check(ranking: &Ranking, model: &Model) -> Result<(), TestCaseError> {
    let sorted = model.sorted();
    prop_assert_eq!(ranking.len(), sorted.len());
    let all = ranking.slice(0, sorted.len() + 5);
    prop_assert_eq!(all.iter().map(|placed| placed.standing).collect::<Vec<_>>(), sorted.clone());
    for (n, placed) in all.iter().enumerate() {
        prop_assert_eq!(placed.rank, n + 1);
        prop_assert_eq!(ranking.place(placed.standing.user), Some(*placed));
    }
    for span in [0, 1, 3, 100] {
        for at in [0, sorted.len() / 2, sorted.len().saturating_sub(1)] {
            let Some(who) = sorted.get(at) else { continue };
            let around = ranking.around(who.user, span);
            let from = at.saturating_sub(span);
            let to = (at + span + 1).min(sorted.len());
            prop_assert_eq!(around.iter().map(|p| p.standing).collect::<Vec<_>>(), &sorted[from..to]);
            prop_assert_eq!(around[0].rank, from + 1);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn it_is_the_sorted_list(ops in ops(), loaded in 0..600usize) {
        let mut model = Model::default();
        for n in 0..loaded as u128 {
            model.0.insert(1_000 + n, ((n % 7) as i64, (n % 3) as i64));
        }
        let mut ranking = Ranking::load(model.0.iter().map(|(user, at)| standing(*user, at.0, at.1)));
        check(&ranking, &model)?;
        for (n, op) in ops.iter().enumerate() {
            match *op {
                Op::Put(user, score, reached) => {
                    let before = model.0.insert(user, (score, reached));
                    let was = ranking.put(standing(user, score, reached));
                    prop_assert_eq!(was.map(|was| (was.score, was.reached)), before);
                }
                Op::Remove(user) => {
                    let before = model.0.remove(&user);
                    let was = ranking.remove(UserId(uuid::Uuid::from_u128(user)));
                    prop_assert_eq!(was.map(|was| (was.score, was.reached)), before);
                }
            }
            if n % 250 == 0 {
                check(&ranking, &model)?;
            }
        }
        check(&ranking, &model)?;
        // Emptied, it is as good as new.
        for user in model.0.keys().copied().collect::<Vec<_>>() {
            prop_assert!(ranking.remove(UserId(uuid::Uuid::from_u128(user))).is_some());
        }
        prop_assert!(ranking.is_empty() && ranking.slice(0, 10).is_empty());
    }
}

#[test]
fn space_stays_bounded_while_everybody_climbs() {
    let members = 20_000u128;
    let mut ranking = Ranking::load((0..members).map(|user| standing(user + 1, user as i64, 0)));
    let fresh = ranking.bytes() as f64 / members as f64;
    // Each in turn goes to the top: leaves at the bottom empty, leaves at the top fill.
    let mut top = members as i64;
    for round in 0..5 {
        for user in 0..members {
            top += 1;
            ranking.put(standing((user * 7_919) % members + 1, top, round));
        }
    }
    let after = ranking.bytes() as f64 / members as f64;
    assert_eq!(ranking.len(), members as usize);
    assert!(fresh < 72.0, "{fresh} bytes a member after loading");
    assert!(after < 112.0, "{after} bytes a member after five rounds");
}
