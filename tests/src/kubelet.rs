//! What a kubelet does with the texts of a container before it starts it (Kubernetes, `third_party/forked/golang/expansion`).

/// A text of a container as a kubelet hands it on: a variable's value for `$(NAME)`, one dollar for two. `POD_INDEX`, the one variable that our commands read, is 7; others are not known, and their names stay.
pub fn expanded(text: &str) -> String {
    let mut told = String::new();
    let mut left = text;
    while let Some((before, after)) = left.split_once('$') {
        told.push_str(before);
        left = match (after.strip_prefix('$'), after.strip_prefix("(POD_INDEX)")) {
            (Some(rest), _) => {
                told.push('$');
                rest
            }
            (None, Some(rest)) => {
                told.push('7');
                rest
            }
            (None, None) => {
                told.push('$');
                after
            }
        };
    }
    told + left
}
