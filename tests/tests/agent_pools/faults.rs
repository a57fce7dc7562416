//! One request in ten goes wrong: it is not carried out, or it is and nobody hears of it.

use super::*;
use kaito_core::backend::ErrorKind;
use kaito_tests::environment;
use kaito_tests::fake_arm::FakeArm;

/// How many pools are made and deleted.
const POOLS: usize = 20;
/// What decides which requests fail; `KAITO_SEED` is another one.
const SEED: u64 = 1;

/// Tries until it is done, as a queue does, in less time. What was refused as already there or gone is done.
async fn insist<T>(what: &str, mut once: impl AsyncFnMut() -> Result<Option<T>, BackendError>) -> T {
    let start = Instant::now();
    loop {
        match once().await {
            Ok(Some(done)) => return done,
            Ok(None) => {}
            Err(error) => {
                assert!(error.kind.is_transient() || error.kind == ErrorKind::AlreadyExists, "{what}: {error}");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_made_once_and_deleted_whatever_goes_wrong() {
    let seed = environment::parsed("KAITO_SEED").unwrap_or(SEED);
    let azure = FakeArm::start(pace(0)).await;
    let pools = azure.pools();
    azure.fail(seed, 0.1);
    let lives = (0..POOLS).map(|number| {
        let pools = pools.clone();
        async move {
            let name = format!("ws{number}");
            let made = insist(&name, async || {
                if look(&pools, &name).await?.is_none() {
                    create(&pools, &name).await?;
                }
                Ok(look(&pools, &name).await?.filter(|seen| state(Some(seen)) == "Succeeded"))
            });
            let seen = made.await;
            insist(&name, async || {
                delete(&pools, &seen, STAMP).await?;
                Ok(look(&pools, &name).await?.is_none().then_some(()))
            })
            .await;
        }
    });
    futures::future::join_all(lives).await;
    azure.be_well();
    assert!(azure.states().is_empty() && azure.nodes().is_empty(), "seed {seed}: {:?}", azure.states());
}
