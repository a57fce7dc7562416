//! How a run is seen again, by whoever has the program and nothing else.

use crate::scenarios::{Objects, Scenario};
use kaito_core::NodeProvisioner;
use kaito_core::cloud::Cloud;
use kaito_core::memory::Faults;

/// A line for a shell that tells this very run: the same objects, seed and faults. The order of the objects means nothing.
///
/// # Panics
/// When an object cannot be written as YAML.
pub fn command(scenario: &Scenario, seed: u64, faults: &Faults) -> String {
    let words =
        if *faults == Faults::all() { format!("--replay {seed}") } else { format!("--seed {seed} --faults {faults}") };
    let cloud = match scenario.cloud {
        Cloud::Azure => String::new(),
        other => format!(" --cloud {}", other.as_str()),
    };
    let machines = machines(&scenario.provisioner);
    format!("kaito simulate {words}{cloud}{machines} -f - <<'END'\n{}END", documents(&scenario.objects))
}

/// Who makes the machines, in flags.
fn machines(provisioner: &NodeProvisioner) -> String {
    match provisioner {
        NodeProvisioner::AzureGpuProvisioner => String::new(),
        NodeProvisioner::Karpenter(classes) => {
            let class = |name: &String| match *name == classes.default {
                true => format!(r#"{{"name":"{name}","default":true}}"#),
                false => format!(r#"{{"name":"{name}"}}"#),
            };
            let list: Vec<String> = classes.names.iter().map(class).collect();
            format!(" --node-provisioner karpenter --karpenter-node-classes '[{}]'", list.join(","))
        }
        NodeProvisioner::Byo => {
            " --node-provisioner byo --feature-gates enableMIG=true,enableAccelerator=true".to_owned()
        }
    }
}

/// The objects as YAML. Words that older readers take for yes, no or a number are quoted.
fn documents(objects: &Objects) -> String {
    let options = || serde_saphyr::ser_options! { prefer_block_scalars: false, yaml_12: false };
    let document = |(_, value): &_| {
        let text = serde_saphyr::to_string_with_options(value, options()).expect("JSON can be written as YAML");
        format!("---\n{}\n", text.trim_end())
    };
    objects.iter().map(document).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios;
    use kaito_core::memory::Fault;
    use serde_json::Value;

    #[test]
    fn what_is_printed_is_what_was_simulated() {
        for Scenario { objects, .. } in scenarios::everywhere() {
            let read: Vec<Value> = serde_saphyr::from_multiple(&documents(&objects)).unwrap();
            assert_eq!(read, objects.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        }
    }

    #[test]
    fn faults_and_cloud_are_named_unless_they_are_what_a_command_takes_anyway() {
        let none = |cloud| Scenario { cloud, ..Scenario::of("", Vec::new()) };
        let first = |cloud, faults| command(&none(cloud), 7, &faults).lines().next().unwrap().to_owned();
        let words = |faults: Faults| first(Cloud::Azure, faults);
        assert_eq!(first(Cloud::Aws, Faults::all()), "kaito simulate --replay 7 --cloud aws -f - <<'END'");
        let pools = Scenario { provisioner: scenarios::karpenter(), ..none(Cloud::Azure) };
        let line = command(&pools, 7, &Faults::all());
        assert!(line.contains(r#" --karpenter-node-classes '[{"name":"image-family-azure-linux"},{"name":"image-family-ubuntu","default":true}]' -f"#), "{line}");
        assert_eq!(words(Faults::all()), "kaito simulate --replay 7 -f - <<'END'");
        assert_eq!(words(Faults::none()), "kaito simulate --seed 7 --faults none -f - <<'END'");
        let two = [Fault::Lag, Fault::Crash].into_iter().collect();
        assert_eq!(words(two), "kaito simulate --seed 7 --faults crash,lag -f - <<'END'");
        let sure = Faults::all().surely(Fault::Lag);
        assert_eq!(words(sure), "kaito simulate --seed 7 --faults all,+lag -f - <<'END'");
    }
}
