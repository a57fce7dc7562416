//! An image's files into a volume: the script of the container that does it.

use super::quote::assignments;

/// Copies the folder `/data` of `image` into the directory `target`.
pub(super) fn script(image: &str, target: &str) -> String {
    format!("#!/bin/sh\n{}{}", assignments(&[("IMG_REF", image), ("VOL_DIR", target)]), include_str!("puller.sh"))
}
