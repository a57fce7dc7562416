//! How large the disk of a machine is.

use super::refusal::{missing, wrong};
use kaito_api::{FieldError, FieldPath, NodeClaim};
use kaito_core::units::{GIB, parse_quantity};

const FIELD: &str = "spec.resources.requests.storage";
/// What AKS takes (`osDiskSizeGB`; "must be between 30 and 2048").
const LEAST_GIB: u32 = 30;
const MOST_GIB: u32 = 2048;

/// GiB of the disk: what is asked for, rounded up, and at least what AKS makes. More than it makes is refused, for a smaller disk would not hold what it is for (S5-B22).
pub(super) fn disk_gib(claim: &NodeClaim) -> Result<u32, FieldError> {
    let field = || FieldPath::from(FIELD);
    let Some(asked) = claim.spec.resources.requests.get("storage") else {
        return Err(missing(FIELD, "must say how large the disk is, such as 107Gi"));
    };
    let Some(thousandths) = parse_quantity(&asked.0) else {
        return Err(wrong(field(), format!("{:?} is no amount; must be one such as 107Gi", asked.0)));
    };
    if thousandths <= 0 {
        return Err(wrong(field(), format!("must be more than 0, and is {}", asked.0)));
    }
    let gib = (thousandths - 1) / (i128::from(GIB) * 1000) + 1;
    match u32::try_from(gib) {
        Ok(gib) if gib <= MOST_GIB => Ok(gib.max(LEAST_GIB)),
        _ => Err(wrong(
            field(),
            format!("must be at most {MOST_GIB}Gi, the largest disk of an AKS node, and is {}", asked.0),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(storage: &str) -> Result<u32, String> {
        let claim = json!({"metadata": {}, "spec": {"resources": {"requests": {"storage": storage}}}});
        disk_gib(&serde_json::from_value(claim).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_disk_holds_what_is_asked_for() {
        for (storage, gib) in [
            ("1", 30),
            ("500Mi", 30),
            ("30Gi", 30),
            ("31Gi", 31),
            ("107374182400", 100),
            ("107374182401", 101),
            ("100G", 94),
            ("1.5Ti", 1536),
            ("2Ti", 2048),
        ] {
            assert_eq!(asked(storage), Ok(gib), "{storage}");
        }
        for (storage, says) in [
            ("0", "must be more than 0, and is 0"),
            ("-5Gi", "must be more than 0, and is -5Gi"),
            ("2049Gi", "at most 2048Gi"),
            ("2Ti1", "is no amount"),
            ("3Ei", "at most 2048Gi"),
            ("much", "is no amount"),
        ] {
            let error = asked(storage).unwrap_err();
            assert!(
                error.starts_with("spec.resources.requests.storage: ") && error.contains(says),
                "{storage}: {error}"
            );
        }
    }
}
