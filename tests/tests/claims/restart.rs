//! A process that dies after any of its writes: the next one goes on, and nothing is paid for twice.

use super::{MACHINE, NAME, condition, key, stage, tried};
use jiff::SignedDuration;
use kaito_provisioner::ClaimPlanner;
use kaito_tests::cloud_by_hand::pool;

#[test]
fn a_claim_becomes_ready_with_one_pool_wherever_its_process_died() {
    for dies_after in 0..14 {
        let mut cloud = stage();
        cloud.pools_succeed = true;
        cloud.node_joins("n1", NAME, MACHINE);
        let mut left = dies_after;
        // One write after the other, in as many looks as it takes; then the death.
        while left > 0 {
            let before = cloud.tried.len();
            if cloud.look_until(&ClaimPlanner, &key(), left).is_none() || cloud.tried.len() == before {
                break;
            }
            left -= (cloud.tried.len() - before).min(left);
        }
        // One that was written down and not sent is waited for, for its answer may have been lost.
        for _ in 0..30 {
            cloud.look(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_secs(10));
        }
        assert_eq!(condition(&cloud, "Ready")[0], "True", "died after {dies_after} writes");
        assert_eq!(tried(&cloud, "create AgentPool"), 1, "died after {dies_after} writes");
    }
}

#[test]
fn a_claim_gives_its_pool_back_wherever_its_process_died() {
    for dies_after in 0..12 {
        let mut cloud = super::running();
        cloud.delete(&key());
        let mut left = dies_after;
        while left > 0 && cloud.has(&key()) {
            let before = cloud.tried.len();
            if cloud.look_until(&ClaimPlanner, &key(), left).is_none() {
                break;
            }
            left -= (cloud.tried.len() - before).min(left);
            if cloud.tried.len() == before {
                break;
            }
        }
        for _ in 0..10 {
            cloud.look(&ClaimPlanner, &key());
            cloud.wait(SignedDuration::from_secs(10));
        }
        let left = [key(), super::node_key(), pool(NAME)].map(|key| cloud.has(&key));
        assert_eq!(left, [false; 3], "died after {dies_after} writes: {:?}", cloud.tried);
    }
}
