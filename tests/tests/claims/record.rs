//! What a claim carries of its launch, written by a process whose clock is ahead.

use super::{condition, key, stage, tried};
use jiff::SignedDuration;
use kaito_core::Kind;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_provisioner::ClaimPlanner;

#[test]
fn a_refusal_that_a_clock_ahead_has_written_is_asked_again_after_its_own_time() {
    for (words, minutes) in [("InternalServerError: try again", 6), ("AllocationFailed: none is free", 61)] {
        let mut cloud = stage();
        let now = cloud.now();
        cloud.refusals.push(("create", Kind::AgentPool, BackendError::new(ErrorKind::Invalid, words)));
        cloud.set_now(now.saturating_add(SignedDuration::from_hours(9)).unwrap());
        cloud.settle(&ClaimPlanner, &key());
        // Twice, so that a refusal has entered the record, and another one stands in the condition.
        cloud.wait(SignedDuration::from_hours(2));
        cloud.settle(&ClaimPlanner, &key());
        let asked = tried(&cloud, "create AgentPool");
        cloud.refusals.clear();
        cloud.set_now(now);
        cloud.settle(&ClaimPlanner, &key());
        assert_eq!(tried(&cloud, "create AgentPool"), asked, "{words}: it was refused just now, as far as is known");
        for _ in 0..=minutes {
            cloud.wait(SignedDuration::from_mins(1));
            cloud.look(&ClaimPlanner, &key());
        }
        assert_eq!(tried(&cloud, "create AgentPool"), asked + 1, "{words}: {:?}", condition(&cloud, "Launched"));
    }
}
