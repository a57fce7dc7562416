//! The tables of the reference's launches: every model on every machine size.

use crate::shared;
use kaito_core::Settings;
use kaito_core::cloud::Cloud;
use serde_json::Value;
use std::collections::BTreeMap;

/// The machine size that stands for "every one".
const ANY: &str = "Standard_NC24ads_A100_v4";

/// One row: what a model is launched with, on machine sizes that are all the same to it.
#[derive(Debug, Clone)]
pub struct Launch(BTreeMap<String, String>);

impl Launch {
    /// A column.
    ///
    /// # Panics
    /// When the table has none of this name.
    pub fn text(&self, column: &str) -> &str {
        self.0.get(column).unwrap_or_else(|| panic!("no column {column}"))
    }

    /// The machine sizes.
    pub fn sizes(&self) -> Vec<&str> {
        if self.text("sku") == "*" { vec![ANY] } else { self.text("sku").split('|').collect() }
    }

    /// The settings that the reference ran with.
    ///
    /// # Panics
    /// When it ran in a cloud that is not known.
    pub fn settings(&self) -> Settings {
        let named = match self.text("cloud") {
            "*" => Some(Cloud::Azure),
            name => Cloud::ALL.into_iter().find(|cloud| cloud.as_str() == name),
        };
        Settings { cloud: named.expect("a cloud"), ..Settings::default() }
    }

    /// The environment, with nothing in it where nothing is written.
    ///
    /// # Panics
    /// When it is no JSON.
    pub fn environment(&self) -> Value {
        let text = Some(self.text("env")).filter(|text| !text.is_empty()).unwrap_or("{}");
        serde_json::from_str(text).expect("the environment is JSON")
    }
}

/// The rows of a table; `None` where it is not at hand.
///
/// # Panics
/// When it cannot be read.
pub fn launches(table: &str) -> Option<Vec<Launch>> {
    let path = shared::path(&format!("golden/{table}"))?;
    let mut reader = csv::Reader::from_path(path).expect("the table can be read");
    Some(reader.deserialize().map(|row| Launch(row.expect("a row"))).collect())
}
