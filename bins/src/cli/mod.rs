//! The command line: `kaito`, and as `kubectl-kaito` on the PATH a plugin of kubectl with the same verbs.
//!
//! Every verb reads, runs the core, and prints; nothing is decided here. Results go to standard output, everything else to standard error; the exit code is the [`Verdict`].
//!
//! | file | subject |
//! |---|---|
//! | `args` | the words |
//! | `simulate`, `render`, `validate`, `explain`, `replay`, `registry` | the verbs |
//! | `faulty`, `recorded` | `simulate` where things go wrong; `--record` |
//! | `supported` | `models --configmap`: what other tools know of the models |
//! | `reviews` | `validate --review`: AdmissionReviews, line by line |
//! | `intake`, `then`, `standing` | from `-f` and `--then` to a world; how a Workspace stands in it |
//! | `report`, `output` | results for programs |
//! | `table`, `live`, `duration`, `console` | results for people |
//!
//! Deliberately absent: a cluster. Nothing here opens a connection.

pub mod args;
mod asked;
mod console;
mod duration;
mod explain;
mod faulty;
mod intake;
mod live;
mod output;
mod recorded;
mod registry;
mod render;
mod replay;
mod report;
mod reviews;
mod roles;
mod simulate;
mod standing;
mod supported;
mod table;
mod then;
mod validate;

pub use console::{Console, Defect, Look};
pub use output::API_VERSION;

use args::{Cli, Verb};
use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;

/// The answer of a verb, which is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Ready, allowed, fits.
    Yes,
    /// A clear no; the reason has been said.
    No,
    /// A file could not be read, or not be written; where and why has been said.
    Unreadable,
}

impl From<bool> for Verdict {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

impl Verdict {
    /// 0, 1 or 2.
    pub const fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
            Self::Unreadable => 2,
        }
    }
}

/// The exit code of a defect of ours.
const DEFECT: u8 = 3;

/// The whole program, on the process's own arguments and streams.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        report_defect(&panic.to_string());
        std::process::exit(i32::from(DEFECT));
    }));
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let mut console = Console::new(&mut out, &mut err, Look::of_stdout());
    let args: Vec<OsString> = std::env::args_os().collect();
    match parse(&args) {
        Ok(cli) => match run(&cli, &mut std::io::stdin(), &mut console) {
            Ok(verdict) => ExitCode::from(verdict.code()),
            Err(Defect(what)) => {
                report_defect(&what);
                ExitCode::from(DEFECT)
            }
        },
        Err(error) => {
            // Help and version are results; a reader that has gone away has seen what it wanted.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { Verdict::Unreadable.code() } else { Verdict::Yes.code() })
        }
    }
}

fn report_defect(what: &str) {
    let mut err = std::io::stderr();
    let _ = std::io::Write::write_fmt(
        &mut err,
        format_args!(
            "kaito: {what}\nThis is a defect of kaito, not of your input. Please report it, with the input.\n"
        ),
    );
}

/// Reads the arguments; as a plugin, the help says `kubectl kaito`.
pub fn parse(args: &[OsString]) -> Result<Cli, clap::Error> {
    let program = args.first().map(std::path::Path::new).and_then(std::path::Path::file_stem);
    let is_plugin = program.is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"));
    let mut command = Cli::command();
    if is_plugin {
        command = command.bin_name("kubectl kaito");
    }
    let cli = Cli::from_arg_matches(&command.try_get_matches_from_mut(args)?)?;
    let wrong = cli.verb.operator().and_then(|operator| operator.provisioner().err());
    match wrong {
        Some(why) => Err(command.error(ErrorKind::ArgumentConflict, format!("--node-provisioner={why}"))),
        None => Ok(cli),
    }
}

/// Runs one verb.
pub fn run(cli: &Cli, stdin: &mut dyn Read, console: &mut Console<'_>) -> Result<Verdict, Defect> {
    match &cli.verb {
        Verb::Simulate(args) => simulate::run(args, stdin, console),
        Verb::Render(args) => render::run(args, stdin, console),
        Verb::Validate(args) => validate::run(args, stdin, console),
        Verb::Explain(args) => explain::run(args, console),
        Verb::Replay(args) => replay::run(args, stdin, console),
        Verb::Models(args) => registry::models(args, console),
        Verb::Skus(args) => registry::skus(args, console),
        Verb::Roles(args) => roles::run(args, console),
    }
}
