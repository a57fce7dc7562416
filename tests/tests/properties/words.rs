//! Small grammars: images, addresses, names and labels, quantities, settings of a runtime, faults, conditions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kaito_api::syntax::{self, ImageReference};
use kaito_api::vocabulary::ConditionType;
use kaito_api::workspace::TuningMethod;
use kaito_core::conditions::{self, Finding};
use kaito_core::memory::{Fault, Faults};
use kaito_core::runtime_config::{RuntimeConfig, told};
use kaito_core::training::TrainingConfig;
use kaito_core::workspace::{Facts, Looked, resolve};
use kaito_core::{Settings, units};
use kaito_tests::edits::{edited, edits};
use kaito_tests::{cases, manifests};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use std::net::Ipv4Addr;
use std::sync::OnceLock;

/// Text out of the characters that these grammars care for.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-zA-Z0-9._/@:\\-\\[\\]%+]{0,80}", "[a-z0-9.-]{50,260}"]
}

fn image() -> impl Strategy<Value = String> {
    let host = select(vec!["r.example.com/", "localhost:5000/", "[::1]:5/", "UPPER.io/", "index.docker.io/"]);
    let tail = select(vec![
        "".to_owned(),
        ":1".to_owned(),
        ":V1.0-x".to_owned(),
        format!("@sha256:{}", "a".repeat(64)),
        format!(":x@sha512:{}", "0".repeat(128)),
    ]);
    (host, "[a-z0-9]{1,8}((/|\\.|_|__|-{1,3})[a-z0-9]{1,8}){0,4}", tail)
        .prop_map(|(host, name, tail)| format!("{host}{name}{tail}"))
}

/// The rules of RFC 1123 and of labels, said another way.
fn is_label(text: &str, more: &str, lower: bool) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || (!lower && c.is_ascii_uppercase());
    (1..=63).contains(&text.len())
        && text.starts_with(is_word)
        && text.ends_with(is_word)
        && text.chars().all(|c| is_word(c) || more.contains(c))
}

fn condition() -> impl Strategy<Value = Condition> {
    let type_ = select(vec!["ResourceReady", "InferenceReady", "NodesReady", "Foreign", "", "example.com/Other"]);
    let status = select(vec!["True", "False", "Unknown", "", "yes"]);
    (type_, status, any::<String>(), -1_000_000_000_i64..10_000_000_000).prop_map(|(type_, status, message, second)| {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: message.clone(),
            message,
            last_transition_time: Time(Timestamp::from_second(second).unwrap()),
            observed_generation: None,
        }
    })
}

const OURS: [ConditionType; 3] =
    [ConditionType::ResourceReady, ConditionType::InferenceReady, ConditionType::NodesReady];

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let text = prop_oneof![5 => any::<String>(), 1 => Just("ü".repeat(33_000))];
    let one = (any::<bool>(), text).prop_map(|(holds, message)| (holds, message));
    (subsequence(OURS.to_vec(), 0..=3), vec(one, 3)).prop_map(|(types, said)| {
        types
            .into_iter()
            .zip(said)
            .map(|(condition, (holds, message))| Finding { condition, holds, reason: "Because".to_owned(), message })
            .collect()
    })
}

/// A model on the newest image, and one on an older one.
fn machines() -> &'static [Facts] {
    static MACHINES: OnceLock<Vec<Facts>> = OnceLock::new();
    MACHINES.get_or_init(|| {
        let found = [manifests::phi_4_mini("a"), manifests::phi_3_mini("a")].map(|manifest| {
            let (_, workspace) = kaito_api::workspace::decode(manifest).unwrap();
            resolve(&workspace, &Settings::default(), &Looked::default()).unwrap().model().cloned().unwrap()
        });
        found.to_vec()
    })
}

/// A setting of a training that any image knows, and some that none does, each with its section.
fn settings() -> Vec<(&'static str, String)> {
    let known = kaito_presets::profiles().iter().flat_map(|profile| profile.tuning.settings);
    let known = known.map(|setting| (setting.section, setting.key.to_owned()));
    let spelled = |key: String| [key.replace('_', "-"), key[..key.len() / 2].to_owned(), key];
    known
        .filter(|(section, _)| *section != "DataCollator")
        .flat_map(|(section, key)| spelled(key).map(|key| (section, key)))
        .collect()
}

/// Any value, as YAML writes it in a line.
fn yaml() -> impl Strategy<Value = String> {
    let word = any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap());
    let bare =
        select(vec!["", "~", "no", "yes", "8", "-1", "8.0", "1e-4", ".inf", "-.nan", "0x10", "1_0", "nf4", "-a"]);
    let leaf = prop_oneof![word, bare.prop_map(str::to_owned), any::<i64>().prop_map(|number| number.to_string())];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            vec(inner, 0..3).prop_map(|items| {
                let fields: Vec<String> = items.iter().enumerate().map(|(n, item)| format!("k{n}: {item}")).collect();
                format!("{{{}}}", fields.join(", "))
            }),
        ]
    })
}

fn in_a_line(words: &str, most: usize) -> Result<(), TestCaseError> {
    prop_assert!(words.len() < most && !words.contains(char::is_control), "{words:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases::config(3000))]

    #[test]
    fn an_image_is_the_same_when_it_is_written_and_read_again(text in prop_oneof![image(), text()], edits in edits()) {
        for text in [&text, &edited(&text, &edits)] {
            match text.parse::<ImageReference>() {
                Ok(image) => {
                    prop_assert_eq!(image.to_string().parse::<ImageReference>(), Ok(image.clone()));
                    prop_assert_eq!(image.to_pull().parse::<ImageReference>().map(|again| again.to_pull()), Ok(image.to_pull()));
                    prop_assert!(!image.to_pull().contains(|c: char| c.is_whitespace() || c.is_control() || "'\"$`;&|<>".contains(c)), "{image} ends up in a shell");
                }
                Err(error) => prop_assert!(!error.faults.is_empty()),
            }
        }
    }

    #[test]
    fn an_image_of_the_grammar_is_read(text in image()) {
        prop_assert!(text.parse::<ImageReference>().is_ok(), "{text}");
    }

    #[test]
    fn an_address_is_judged_and_a_private_one_is_refused_however_it_is_written(text in text(), number in any::<u32>(), form in 0..5) {
        let _ = syntax::public_address(&text);
        let _ = syntax::public_address(&format!("https://{text}"));
        let address = Ipv4Addr::from(number);
        let [a, b, c, d] = address.octets();
        let host = match form {
            0 => format!("{number}"),
            1 => format!("0x{number:x}"),
            2 => format!("0{a:o}.0x{b:x}.{}", u32::from(c) * 256 + u32::from(d)),
            3 => format!("[::ffff:{address}]"),
            _ => address.to_string(),
        };
        let plain = syntax::public_address(&format!("https://{address}/x")).is_ok();
        prop_assert_eq!(syntax::public_address(&format!("https://{host}/x")).is_ok(), plain, "{}", host);
        prop_assert!(!plain || !(address.is_private() || address.is_loopback() || address.is_link_local() || address.is_multicast()), "{address}");
    }

    #[test]
    fn names_and_labels_are_what_the_rfc_says(text in text()) {
        prop_assert_eq!(syntax::dns_label(&text).is_ok(), is_label(&text, "-", true));
        prop_assert_eq!(syntax::service_name(&text).is_ok(), is_label(&text, "-", true) && text.starts_with(|c: char| c.is_ascii_lowercase()));
        prop_assert_eq!(syntax::label_value(&text).is_ok(), text.is_empty() || is_label(&text, "-_.", false));
        let is_part = |part: &str| {
            let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            part.starts_with(is_word) && part.ends_with(is_word) && part.chars().all(|c| is_word(c) || c == '-')
        };
        let parts = |text: &str| text.len() <= 253 && text.split('.').all(is_part);
        prop_assert_eq!(syntax::dns_subdomain(&text).is_ok(), parts(&text));
        let key = match text.split_once('/') {
            Some((prefix, name)) => parts(prefix) && is_label(name, "-_.", false),
            None => is_label(&text, "-_.", false),
        };
        prop_assert_eq!(syntax::label_key(&text).is_ok(), key);
        let _ = syntax::placeholders(&text);
    }

    #[test]
    fn a_quantity_is_what_it_says_and_nothing_else_is_one(whole in 0_u64..1_000_000_000, fraction in 0_u32..1000, negative: bool, suffix in select(vec![("m", 1_i128), ("", 1_000), ("k", 1_000_000), ("Ki", 1_024_000), ("Gi", 1000 << 30)]), text in text()) {
        let sign = if negative { -1 } else { 1 };
        let written = format!("{}{whole}.{fraction:03}{}", if negative { "-" } else { "" }, suffix.0);
        let exact = i128::from(whole) * suffix.1 + i128::from(fraction) * suffix.1 / 1000;
        prop_assert_eq!(units::parse_quantity(&written), Some(sign * exact), "{}", written);
        let is_number = |text: &str| {
            let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
            let bare = bare.trim_end_matches(|c: char| c.is_ascii_alphabetic());
            bare.contains(|c: char| c.is_ascii_digit()) && bare.matches('.').count() <= 1 && bare.chars().all(|c| c.is_ascii_digit() || c == '.')
        };
        prop_assert!(units::parse_quantity(&text).is_none() || is_number(&text), "{text}");
    }

    #[test]
    fn any_digits_are_a_quantity_or_none(text in "[+-]?[0-9]{0,45}(\\.[+-]?[0-9]{0,45})?(m|k|Ki|Pi|P|)") {
        let quantity = units::parse_quantity(&text);
        prop_assert!(quantity.is_none() || !text.contains(".+") && !text.contains(".-"), "{text}");
    }

    #[test]
    fn settings_of_a_runtime_are_read_or_refused_in_a_line(text in any::<String>(), edits in edits(), tokens in any::<u64>()) {
        let good = format!("vllm:\n  max-model-len: {tokens}\n  swap-space: 4\nmax_probe_steps: 6\n");
        let wanted = u32::try_from(tokens).ok().filter(|tokens| *tokens > 0);
        let context = RuntimeConfig::read(&good).ok().and_then(|config| config.context().ok());
        prop_assert_eq!(context.flatten(), wanted);
        for text in [&text, &edited(&good, &edits)] {
            match RuntimeConfig::read(text) {
                Err(error) => in_a_line(&error.to_string(), 600)?,
                Ok(config) => {
                    for facts in machines() {
                        let judged = config.judge(facts);
                        in_a_line(&told(&judged.errors), 4000)?;
                        in_a_line(&told(&judged.warnings), 4000)?;
                    }
                }
            }
        }
    }

    #[test]
    fn settings_of_a_training_are_read_or_refused_in_a_line(key in select(settings()), value in yaml(), edits in edits()) {
        let (section, key) = key;
        let good = format!("training_config:\n  {section}: {{{key}: {value}}}\n  DataCollator: {{mlm: false}}\n");
        for text in [&good, &edited(&good, &edits)] {
            match TrainingConfig::parse(text) {
                Err(error) => in_a_line(&error.to_string(), 600)?,
                Ok(config) => {
                    for facts in machines() {
                        for method in [TuningMethod::Lora, TuningMethod::Qlora] {
                            let judged = config.judge(method, facts);
                            in_a_line(&judged.errors.join("; "), 4000)?;
                            in_a_line(&judged.warnings.join("; "), 4000)?;
                            prop_assert!(judged.results.is_some() || !judged.errors.is_empty());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn faults_are_read_as_they_are_written(chosen in subsequence(Fault::ALL.to_vec(), 0..=Fault::ALL.len()), sure in subsequence(Fault::ALL.to_vec(), 0..4), text in any::<String>()) {
        let wanted = sure.iter().fold(chosen.iter().copied().collect::<Faults>(), |faults, fault| faults.surely(*fault));
        prop_assert_eq!(wanted.to_string().replace(',', " , ").parse::<Faults>(), Ok(wanted));
        if let Err(error) = text.parse::<Faults>() {
            prop_assert!(error.contains("known are"));
        }
    }

    #[test]
    fn conditions_are_merged_once_and_for_all(old in vec(condition(), 0..8), findings in findings(), second in -1_000_000_000_i64..10_000_000_000) {
        let now = Timestamp::from_second(second).unwrap();
        let merged = conditions::merge(&old, &findings, &OURS, 3, now);
        prop_assert_eq!(&conditions::merge(&merged, &findings, &OURS, 3, Timestamp::MIN), &merged, "said again it is the same, whatever the clock says");
        for finding in &findings {
            let told: Vec<&Condition> = merged.iter().filter(|condition| condition.type_ == finding.condition.as_str()).collect();
            prop_assert_eq!(told.len(), 1);
            prop_assert!(told[0].message.chars().count() <= 32_768);
        }
        let foreign = |all: &[Condition]| all.iter().filter(|condition| !OURS.iter().any(|ours| ours.as_str() == condition.type_)).count();
        prop_assert_eq!(foreign(&merged), foreign(&old), "what others say stays");
        prop_assert_eq!(merged.len(), foreign(&old) + findings.len());
    }
}
