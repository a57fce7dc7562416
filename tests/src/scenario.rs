//! `scenarios!`: a story told once becomes two tests, one in the memory world and one on a real API server; the second also compares how both ended.
//! `under_fire!` makes a third of some.

/// Makes the tests of some stories. Each is a function of a [`Stage`](crate::stage::Stage).
#[macro_export]
macro_rules! scenarios {
    ($(fn $name:ident($world:ident) $body:block)*) => {
        $(fn $name($world: &mut dyn $crate::stage::Stage) $body)*

        mod memory {
            $(#[test] fn $name() { $crate::stage::play_in_memory(stringify!($name), super::$name); })*
        }

        mod real_api_server {
            $(#[test] fn $name() { $crate::stage::play_for_real(stringify!($name), super::$name); })*
        }
    };
}

/// Plays some of these stories once more, while every tenth request of the controller fails. Only stories that do not count writes: a request whose answer was lost is made again.
#[macro_export]
macro_rules! under_fire {
    ($($name:ident,)*) => {
        mod under_fire {
            $(#[test] fn $name() { $crate::stage::play_under_fire(stringify!($name), super::$name); })*
        }
    };
}
