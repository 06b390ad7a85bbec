//! What every adapter of the limits keeps to.

use std::{sync::Arc, time::Duration};

use super::{Ask, Limits, Rate};

/// Runs the suite; `salt` keeps its keys apart from those of other runs.
pub(crate) async fn keeps_to_it(limits: Arc<dyn Limits>, salt: &str) {
    counts_down_per_key(&*limits, salt).await;
    stops_at_the_first_refusal(&*limits, salt).await;
    refills(&*limits, salt).await;
    lets_exactly_the_burst_through_at_once(limits, salt).await;
}

async fn counts_down_per_key(limits: &dyn Limits, salt: &str) {
    let rate = Rate::per_minute("a", 3);
    let (one, two) = (format!("{salt}-1"), format!("{salt}-2"));
    for left in [2, 1, 0] {
        let verdict = limits.take(&[Ask { rate: &rate, key: &one, cost: 1 }]).await.unwrap()[0];
        assert!(verdict.allowed && verdict.remaining == left, "{verdict:?}");
        assert!(verdict.reset_after <= Duration::from_secs(20) * (3 - left), "{verdict:?}");
    }
    let refused = limits.take(&[Ask { rate: &rate, key: &one, cost: 1 }]).await.unwrap()[0];
    assert!(!refused.allowed && refused.remaining == 0);
    assert!(refused.retry_after > Duration::from_secs(10) && refused.retry_after <= Duration::from_secs(20));
    assert!(limits.take(&[Ask { rate: &rate, key: &two, cost: 3 }]).await.unwrap()[0].allowed);
    let other = Rate::per_minute("b", 1);
    assert!(limits.take(&[Ask { rate: &other, key: &one, cost: 1 }]).await.unwrap()[0].allowed);
    assert!(!limits.take(&[Ask { rate: &rate, key: "x", cost: 4 }]).await.unwrap()[0].allowed);
}

async fn stops_at_the_first_refusal(limits: &dyn Limits, salt: &str) {
    let (wide, narrow) = (Rate::per_minute("wide", 10), Rate::per_minute("narrow", 1));
    let key = format!("{salt}-3");
    let asks = [
        Ask { rate: &wide, key: &key, cost: 1 },
        Ask { rate: &narrow, key: &key, cost: 1 },
        Ask { rate: &wide, key: &key, cost: 1 },
    ];
    let first = limits.take(&asks).await.unwrap();
    assert_eq!(
        first.iter().map(|v| (v.allowed, v.remaining)).collect::<Vec<_>>(),
        [(true, 9), (true, 0), (true, 8)]
    );
    let second = limits.take(&asks).await.unwrap();
    assert_eq!(second.iter().map(|v| (v.allowed, v.remaining)).collect::<Vec<_>>(), [(true, 7), (false, 0)]);
}

async fn refills(limits: &dyn Limits, salt: &str) {
    let rate = Rate { name: "quick", burst: 2, per: Duration::from_millis(200) };
    let key = format!("{salt}-4");
    let ask = [Ask { rate: &rate, key: &key, cost: 2 }];
    assert!(limits.take(&ask).await.unwrap()[0].allowed);
    let refused = limits.take(&ask).await.unwrap()[0];
    // On a machine that stood still for 200 ms the allowance is whole again.
    if !refused.allowed {
        tokio::time::sleep(refused.retry_after + Duration::from_millis(2)).await;
        assert!(limits.take(&ask).await.unwrap()[0].allowed);
    }
}

async fn lets_exactly_the_burst_through_at_once(limits: Arc<dyn Limits>, salt: &str) {
    let key = format!("{salt}-5");
    let tasks: Vec<_> = (0..40)
        .map(|_| {
            let (limits, key) = (limits.clone(), key.clone());
            tokio::spawn(async move {
                let rate = Rate { name: "burst", burst: 25, per: Duration::from_secs(3_600) };
                limits.take(&[Ask { rate: &rate, key: &key, cost: 1 }]).await.unwrap()[0].allowed
            })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += usize::from(task.await.unwrap());
    }
    assert_eq!(passed, 25);
}
