//! Statements of a claim about labels of its machine, and what becomes of each.

use super::refusal::wrong;
use kaito_api::karpenter::Requirement;
use kaito_api::vocabulary::labels;
use kaito_api::{FieldError, FieldPath};
use kaito_core::cloud::Cloud;
use std::collections::{BTreeMap, BTreeSet};

/// What a claim says about one label, all its statements together.
#[derive(Debug, Default)]
pub(super) struct Wanted<'a> {
    /// The values that it may have, in the order of the claim; `None` where any will do.
    pub(super) any_of: Option<Vec<&'a str>>,
    none_of: Vec<&'a str>,
    must_exist: bool,
    must_not_exist: bool,
    /// Operators that compare numbers, or that nobody knows.
    odd: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// What is said under any of these keys, which mean the same.
    pub(super) fn of(requirements: &'a [Requirement], keys: &[&str]) -> Self {
        let mut wanted = Self::default();
        for said in requirements.iter().filter(|said| keys.contains(&said.key.as_str())) {
            let values = said.values.iter().map(String::as_str);
            match said.operator.as_str() {
                "In" => {
                    let mut values: Vec<&str> = values.collect();
                    let mut told = BTreeSet::new();
                    values.retain(|value| told.insert(*value));
                    wanted.any_of = Some(match wanted.any_of.take() {
                        None => values,
                        Some(before) => before.into_iter().filter(|value| values.contains(value)).collect(),
                    });
                }
                "NotIn" => wanted.none_of.extend(values),
                "Exists" => wanted.must_exist = true,
                "DoesNotExist" => wanted.must_not_exist = true,
                other => wanted.odd = Some(other),
            }
        }
        wanted
    }

    /// Whether the label may have this value.
    pub(super) fn permits(&self, value: &str) -> bool {
        let same = |other: &&str| other.eq_ignore_ascii_case(value);
        !self.must_not_exist
            && self.any_of.as_ref().is_none_or(|values| values.iter().any(same))
            && !self.none_of.iter().any(same)
    }

    /// The values that are named and not excluded.
    pub(super) fn named(&self) -> Vec<&'a str> {
        let named = self.any_of.iter().flatten().copied();
        named.filter(|value| self.permits(value)).collect()
    }

    fn is_silent(&self) -> bool {
        self.any_of.is_none() && self.none_of.is_empty() && !self.must_exist && !self.must_not_exist
    }

    /// The operator that cannot be honoured.
    pub(super) fn odd(&self) -> Option<&'a str> {
        self.odd
    }
}

/// The field that all of this is about.
pub(super) fn field() -> FieldPath {
    FieldPath::from("spec.requirements")
}

/// An error that names a key.
pub(super) fn about(key: &str, detail: &str) -> FieldError {
    wrong(field(), format!("{key} {detail}"))
}

/// What the claim says of the machine, beside its size.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) is_spot: bool,
    /// Numbers of zones, as AKS has them.
    pub(super) zones: Vec<String>,
    /// Labels that the node must have.
    pub(super) labels: BTreeMap<String, String>,
    /// What is required and cannot be checked, in words.
    pub(super) remarks: Vec<String>,
}

/// Architectures, which follow from the size.
const ARCH: [&str; 2] = ["kubernetes.io/arch", "beta.kubernetes.io/arch"];
/// Regions: that of the cluster, which only zones name here.
const REGION: [&str; 2] = ["topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"];
/// GPUs of a machine, in the words of Karpenter's provider for Azure.
const GPU_COUNT: &str = "karpenter.azure.com/sku-gpu-count";
/// The operating system, in the words of AKS.
const OS_SKU: &str = "kubernetes.azure.com/os-sku";
/// Keys below [`FOLLOWS_PREFIXES`] that are honoured or checked.
const CHECKED: [&str; 5] = [labels::NODE_POOL, labels::CAPACITY_TYPE, labels::AZURE_SKU_NAME, GPU_COUNT, OS_SKU];
/// Descriptions of a size in the words of Karpenter's provider for Azure, and of AKS.
const FOLLOWS_PREFIXES: [&str; 3] = ["karpenter.azure.com/", "kubernetes.azure.com/", "karpenter.sh/"];
const SIZE: [&str; 2] = [labels::INSTANCE_TYPE, labels::INSTANCE_TYPE_BETA];
const ZONE: [&str; 2] = [labels::ZONE, "failure-domain.beta.kubernetes.io/zone"];
const OS: [&str; 2] = [labels::OS, "beta.kubernetes.io/os"];

/// What is said under the keys of a machine's size.
pub(super) fn size(requirements: &[Requirement]) -> Wanted<'_> {
    Wanted::of(requirements, &SIZE)
}

/// Everything else that a claim requires of its machine.
pub(super) fn place(
    requirements: &[Requirement],
    claimed: &BTreeMap<String, String>,
    errors: &mut Vec<FieldError>,
) -> Place {
    let system = Wanted::of(requirements, &OS);
    if !system.permits("linux") || system.odd().is_some() {
        errors.push(about(labels::OS, "must allow linux: machines of a claim run nothing else"));
    }
    let zone = Wanted::of(requirements, &ZONE);
    Place {
        is_spot: is_spot(&Wanted::of(requirements, &[labels::CAPACITY_TYPE]), errors),
        zones: zones(&zone, errors),
        labels: own_labels(requirements, claimed, errors),
        remarks: region(requirements, &zone, errors).into_iter().chain(unchecked(requirements)).collect(),
    }
}

/// Refuses another operating system than the one that is asked for, by the name that AKS gives it.
pub(super) fn system(requirements: &[Requirement], chosen: &str, errors: &mut Vec<FieldError>) {
    let wanted = Wanted::of(requirements, &[OS_SKU]);
    if !wanted.permits(chosen) || wanted.odd().is_some() {
        let key = kaito_api::vocabulary::annotations::NODE_IMAGE_FAMILY;
        errors
            .push(about(OS_SKU, &format!("must allow {chosen}, which the node runs; the annotation {key} chooses it")));
    }
}

/// Zones must lie in a region that is allowed; without one, the region is that of the cluster, whatever the claim says: a remark.
fn region(requirements: &[Requirement], zone: &Wanted<'_>, errors: &mut Vec<FieldError>) -> Option<String> {
    let wanted = Wanted::of(requirements, &REGION);
    let [key, _] = REGION;
    if wanted.is_silent() && wanted.odd().is_none() {
        return None;
    }
    let named = zone.named();
    let regions = named.iter().filter_map(|zone| zone.rsplit_once('-')).map(|(region, _)| region);
    let others: BTreeSet<&str> = regions.filter(|region| !wanted.permits(region)).collect();
    if !others.is_empty() {
        let others = others.into_iter().collect::<Vec<_>>().join(", ");
        errors.push(about(key, &format!("excludes {others}, where {} is", labels::ZONE)));
    }
    named.is_empty().then(|| format!("{key} is not checked: the machine stands in the region of the cluster"))
}

/// Descriptions of a size that are required, and that nobody here knows of a size.
fn unchecked(requirements: &[Requirement]) -> BTreeSet<String> {
    let is_unknown =
        |key: &&str| FOLLOWS_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) && !CHECKED.contains(key);
    let keys = requirements.iter().map(|said| said.key.as_str()).filter(is_unknown);
    keys.map(|key| format!("{key} is not checked: what it says of a size is not known")).collect()
}

/// On demand where that is allowed: a machine that may be taken away is only bought where nothing else is wished.
fn is_spot(wanted: &Wanted<'_>, errors: &mut Vec<FieldError>) -> bool {
    let found = ["on-demand", "spot"].into_iter().find(|kind| wanted.permits(kind));
    if found.is_none() || wanted.odd().is_some() {
        errors.push(about(labels::CAPACITY_TYPE, "must allow on-demand or spot: an agent pool has no other"));
    }
    found == Some("spot")
}

fn zones(wanted: &Wanted<'_>, errors: &mut Vec<FieldError>) -> Vec<String> {
    let mut refuse = |detail: &str| errors.push(about(labels::ZONE, detail));
    if wanted.odd().is_some() || (wanted.any_of.is_none() && (wanted.must_exist || !wanted.none_of.is_empty())) {
        refuse("must name its zones with In, such as eastus-1: which others there are is not known");
    }
    let named = wanted.named();
    if wanted.any_of.is_some() && named.is_empty() {
        refuse("leaves no zone: what one requirement names, another excludes");
    }
    let mut numbers = Vec::new();
    for zone in named {
        let number = zone.rsplit_once('-').filter(|(region, _)| !region.is_empty()).map(|(_, number)| number);
        match number.filter(|number| matches!(number.as_bytes(), [b'1'..=b'9'])) {
            Some(number) if numbers.iter().any(|known| known == number) => {}
            Some(number) => numbers.push(number.to_owned()),
            None => refuse(&format!(
                "has {zone:?}, which is no zone of Azure; must be region, - and number, such as eastus-1"
            )),
        }
    }
    numbers
}

/// Labels that mean nothing to the cloud: the node gets them, where one value is said (S5-B11).
fn own_labels(
    requirements: &[Requirement],
    claimed: &BTreeMap<String, String>,
    errors: &mut Vec<FieldError>,
) -> BTreeMap<String, String> {
    let own: BTreeSet<&str> =
        requirements.iter().map(|said| said.key.as_str()).filter(|key| !is_about_the_machine(key)).collect();
    let mut labels = BTreeMap::new();
    for key in own {
        let wanted = Wanted::of(requirements, &[key]);
        if let Some(operator) = wanted.odd() {
            errors.push(about(key, &format!("cannot be compared with {operator}; must name its one value with In")));
            continue;
        }
        match (claimed.get(key), wanted.named().as_slice()) {
            (Some(value), _) if wanted.permits(value) => {}
            (Some(value), _) => {
                errors.push(about(key, &format!("forbids {value}, which the claim's own label says")));
            }
            (None, [value]) => {
                labels.insert(key.to_owned(), (*value).to_owned());
            }
            (None, []) if wanted.any_of.is_none() && !wanted.must_exist => {}
            (None, []) => errors.push(about(key, "must name a value with In that no other requirement excludes")),
            (None, _) => errors
                .push(about(key, "must name one value: which of several the node shall have is not ours to choose")),
        }
    }
    labels
}

fn is_about_the_machine(key: &str) -> bool {
    let known = SIZE.iter().chain(&ZONE).chain(&OS).chain(&ARCH).chain(&REGION);
    known.into_iter().any(|known| *known == key) || FOLLOWS_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// The sizes that remain when what else is said of the machine agrees: what Karpenter calls the size, its architecture, its GPUs. What is not known of a size contradicts nothing.
pub(super) fn agreeing<'a>(requirements: &[Requirement], sizes: Vec<&'a str>) -> Vec<&'a str> {
    let twin = Wanted::of(requirements, &[labels::AZURE_SKU_NAME]);
    let arch = Wanted::of(requirements, &ARCH);
    let agrees = |size: &&str| {
        twin.permits(size)
            && architecture(size).is_none_or(|known| arch.permits(known))
            && kaito_presets::sku(Cloud::Azure, size).is_none_or(|known| permits_gpus(requirements, known.gpu_count))
    };
    sizes.into_iter().filter(agrees).collect()
}

/// By Azure's naming (<https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions>): `p` after the number of cores is Arm, as are machines with Grace (`GB200`).
fn architecture(size: &str) -> Option<&'static str> {
    let mut parts = size.split('_').skip_while(|part| part.eq_ignore_ascii_case("Standard"));
    let first = parts.next()?;
    let (_, features) = first.rsplit_once(|c: char| c.is_ascii_digit())?;
    let has_grace =
        parts.any(|part| part.strip_prefix("GB").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    Some(if features.contains('p') || has_grace { "arm64" } else { "amd64" })
}

/// Whether a machine may have so many GPUs.
fn permits_gpus(requirements: &[Requirement], gpus: u32) -> bool {
    let mut said = requirements.iter().filter(|said| said.key == GPU_COUNT);
    said.all(|said| {
        let mut values = said.values.iter().map(|value| value.parse::<u32>().ok());
        match said.operator.as_str() {
            "In" => values.any(|value| value == Some(gpus)),
            "NotIn" => values.all(|value| value != Some(gpus)),
            "Gt" => values.all(|value| value.is_some_and(|value| gpus > value)),
            "Lt" => values.all(|value| value.is_some_and(|value| gpus < value)),
            "DoesNotExist" => gpus == 0,
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: &str, operator: &str, values: &[&str]) -> Requirement {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Requirement { key: key.to_owned(), operator: operator.to_owned(), values, min_values: None }
    }

    /// The place, or what is wrong with the requirements.
    fn asked(requirements: &[Requirement], claimed: &[(&str, &str)]) -> Result<Place, String> {
        let claimed = claimed.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut errors = Vec::new();
        let place = place(requirements, &claimed, &mut errors);
        if errors.is_empty() {
            Ok(place)
        } else {
            Err(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        }
    }

    #[test]
    fn what_can_be_honoured_is() {
        let capacity =
            |operator, values: &[&str]| asked(&[said(labels::CAPACITY_TYPE, operator, values)], &[]).unwrap().is_spot;
        assert!(capacity("In", &["spot"]) && capacity("NotIn", &["on-demand"]));
        assert!(!capacity("In", &["spot", "on-demand"]) && !capacity("NotIn", &["spot"]) && !capacity("Exists", &[]));
        let zones = |requirements: &[Requirement]| asked(requirements, &[]).unwrap().zones;
        assert_eq!(zones(&[said(labels::ZONE, "In", &["eastus-2", "eastus-1", "eastus-2"])]), ["2", "1"]);
        assert_eq!(zones(&[said(labels::ZONE, "In", &["a-1", "a-2"]), said(labels::ZONE, "NotIn", &["a-1"])]), ["2"]);
        assert!(zones(&[said(labels::ZONE, "DoesNotExist", &[])]).is_empty());
        let own = asked(&[said("a.io/team", "In", &["ml"]), said("a.io/old", "DoesNotExist", &[])], &[]).unwrap();
        assert_eq!(own.labels, BTreeMap::from([("a.io/team".to_owned(), "ml".to_owned())]));
        let claimed = asked(&[said("a.io/team", "In", &["ml", "web"])], &[("a.io/team", "web")]).unwrap();
        assert!(claimed.labels.is_empty(), "the claim's own label says it");
        assert!(
            asked(&[said("kubernetes.io/arch", "In", &["amd64", "arm64"]), said(labels::OS, "Exists", &[])], &[])
                .is_ok()
        );
    }

    #[test]
    fn a_size_that_contradicts_the_claim_is_not_asked_for() {
        let (one, two) = ("Standard_NC24ads_A100_v4", "Standard_NC48ads_A100_v4");
        let left = |key: &str, operator: &str, values: &[&str]| {
            agreeing(
                &[said(key, operator, values)],
                vec![one, two, "Standard_D4ps_v5", "Standard_ND128isr_NDR_GB200_v6", "odd"],
            )
        };
        let unknown = ["Standard_D4ps_v5", "Standard_ND128isr_NDR_GB200_v6", "odd"];
        let and_unknown = |known: &[&'static str]| known.iter().copied().chain(unknown).collect::<Vec<_>>();
        assert_eq!(left("kubernetes.io/arch", "In", &["amd64"]), [one, two, "odd"]);
        assert_eq!(left("beta.kubernetes.io/arch", "NotIn", &["amd64"]), unknown);
        assert_eq!(left(GPU_COUNT, "Gt", &["1"]), and_unknown(&[two]));
        assert_eq!(left(GPU_COUNT, "Lt", &["2"]), and_unknown(&[one]));
        assert_eq!(left(GPU_COUNT, "In", &["2", "4"]), and_unknown(&[two]));
        assert_eq!(left(GPU_COUNT, "NotIn", &["2"]), and_unknown(&[one]));
        assert_eq!(left(GPU_COUNT, "Exists", &[]), and_unknown(&[one, two]));
        assert_eq!(left(GPU_COUNT, "DoesNotExist", &[]), and_unknown(&[]));
        assert_eq!(left(labels::AZURE_SKU_NAME, "In", &[one]), [one]);
    }

    #[test]
    fn a_region_is_checked_by_the_zones_and_what_cannot_be_checked_is_told() {
        let region = |values: &[&str]| said("topology.kubernetes.io/region", "In", values);
        let zone = said(labels::ZONE, "In", &["eastus-1"]);
        let told = |requirements: &[Requirement]| asked(requirements, &[]).unwrap().remarks;
        assert_eq!(told(&[region(&["eastus", "westus"]), zone.clone()]), [""; 0]);
        assert_eq!(told(&[said(GPU_COUNT, "Gt", &["0"]), said(labels::NODE_POOL, "In", &["kaito"])]), [""; 0]);
        let error = asked(&[region(&["westus"]), zone], &[]).unwrap_err();
        assert!(error.contains("topology.kubernetes.io/region excludes eastus"), "{error}");
        let remarks = told(&[region(&["westus"]), said("karpenter.azure.com/sku-family", "In", &["N"])]);
        let keys: Vec<&str> = remarks.iter().filter_map(|remark| remark.split_once(' ')).map(|(key, _)| key).collect();
        assert_eq!(keys, ["topology.kubernetes.io/region", "karpenter.azure.com/sku-family"]);
    }

    #[test]
    fn another_system_than_the_one_that_is_asked_for_is_refused() {
        for (values, is_right) in [(&["Ubuntu", "AzureLinux"][..], true), (&["ubuntu"], true), (&["AzureLinux"], false)]
        {
            let mut errors = Vec::new();
            system(&[said(OS_SKU, "In", values)], "Ubuntu", &mut errors);
            assert_eq!(errors.is_empty(), is_right, "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_with_its_key() {
        for (requirement, says) in [
            (said(labels::OS, "In", &["windows"]), "kubernetes.io/os must allow linux"),
            (said(labels::OS, "DoesNotExist", &[]), "kubernetes.io/os must allow linux"),
            (said(labels::CAPACITY_TYPE, "In", &["reserved"]), "must allow on-demand or spot"),
            (said(labels::CAPACITY_TYPE, "Gt", &["1"]), "must allow on-demand or spot"),
            (said(labels::ZONE, "NotIn", &["eastus-1"]), "must name its zones with In"),
            (said(labels::ZONE, "Exists", &[]), "must name its zones with In"),
            (said(labels::ZONE, "In", &["1"]), "\"1\", which is no zone"),
            (said(labels::ZONE, "In", &["eastus-1a"]), "which is no zone"),
            (said(labels::ZONE, "In", &[]), "leaves no zone"),
            (said("a.io/team", "Exists", &[]), "a.io/team must name a value with In"),
            (said("a.io/team", "In", &["a", "b"]), "a.io/team must name one value"),
            (said("a.io/n", "Gt", &["3"]), "a.io/n cannot be compared with Gt"),
            (said("a.io/n", "Matches", &["3"]), "a.io/n cannot be compared with Matches"),
            (said("team", "NotIn", &["web"]), "team forbids web"),
        ] {
            let error = asked(std::slice::from_ref(&requirement), &[("team", "web")]).unwrap_err();
            assert!(error.starts_with("spec.requirements: ") && error.contains(says), "{requirement:?}: {error}");
        }
    }
}
