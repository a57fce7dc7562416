//! `scenarios!`: a story told once becomes two tests, one in the memory world and one on a real API server; the second also compares how both ended.

/// Makes the tests of some stories. Each is a function of a [`Stage`](crate::stage::Stage).
#[macro_export]
macro_rules! scenarios {
    ($(fn $name:ident($world:ident) $body:block)*) => {
        $(fn $name($world: &mut dyn $crate::stage::Stage) $body)*

        mod memory {
            $(#[test] fn $name() { $crate::stage::play_in_memory(stringify!($name), super::$name); })*
        }
    };
}
