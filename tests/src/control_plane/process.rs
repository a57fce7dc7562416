//! The processes of a control plane, and that none of them outlives the test.
//!
//! Three ends are covered: a drop (also one by a panic) kills and reaps them; a test process that goes without one (a signal, an
//! abort, a static that is never dropped) closes a pipe, at which the guard, a small shell beside them, does the same.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use super::Error;
use super::error::At;

/// Collects the ids it reads, but those that it is told are gone; at the end of its input it kills them and removes the folder, unless told that all is done.
const GUARD: &str = r#"trap '' HUP INT TERM
ids=
while read -r word id; do
  case $word in
    done) exit 0 ;;
    gone) rest=; for one in $ids; do [ "$one" = "$id" ] || rest="$rest $one"; done; ids=$rest ;;
    *) ids="$ids $word" ;;
  esac
done
[ -n "$ids" ] && kill -9 $ids 2>/dev/null
rm -rf -- "$1""#;

/// The processes of one control plane and the folder that goes with them.
#[derive(Debug)]
pub(super) struct Family {
    folder: PathBuf,
    members: Vec<Member>,
    guard: Child,
    to_guard: Option<ChildStdin>,
}

#[derive(Debug)]
struct Member {
    name: &'static str,
    child: Child,
}

impl Family {
    /// A family without members, whose folder is removed with it.
    pub(super) fn found(folder: PathBuf) -> Result<Family, Error> {
        let mut command = Command::new("sh");
        command.args(["-c", GUARD, "guard"]).arg(&folder);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut guard = command.spawn().at("sh")?;
        let to_guard = guard.stdin.take();
        Ok(Family { folder, members: Vec::new(), guard, to_guard })
    }

    /// Starts a member, which writes to `NAME.log` in the folder, behind what one of that name has written before.
    pub(super) fn start(&mut self, name: &'static str, command: &mut Command) -> Result<(), Error> {
        let log = File::options().create(true).append(true).open(self.log(name)).at(name)?;
        command.current_dir(&self.folder).env("HOME", &self.folder).process_group(0);
        command.stdin(Stdio::null()).stdout(log.try_clone().at(name)?).stderr(log);
        let child = command.spawn().at(name)?;
        if let Some(pipe) = &mut self.to_guard {
            writeln!(pipe, "{}", child.id()).at("sh")?;
        }
        self.members.push(Member { name, child });
        Ok(())
    }

    /// Ends a member as a machine that loses its power does.
    pub(super) fn kill(&mut self, name: &'static str) -> Result<(), Error> {
        let Some(at) = self.members.iter().position(|member| member.name == name) else { return Ok(()) };
        let Member { mut child, .. } = self.members.remove(at);
        // First: an id that was waited for may be another's a moment later.
        if let Some(pipe) = &mut self.to_guard {
            writeln!(pipe, "gone {}", child.id()).at("sh")?;
        }
        child.kill().and_then(|()| child.wait()).map(|_| ()).at(name)
    }

    /// An error if a member has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        for Member { name, child } in &mut self.members {
            if let Some(status) = child.try_wait().at(*name)? {
                let log = tail(&self.folder.join(format!("{name}.log")));
                return Err(Error::Part { part: name, what: format!("ended with {status}"), log });
            }
        }
        Ok(())
    }

    /// The error that a member was not ready in time.
    pub(super) fn late(&self, part: &'static str, why: &str) -> Error {
        Error::Part { part, what: format!("is not ready in time ({why})"), log: tail(&self.log(part)) }
    }

    /// Ends everything and removes the folder. To do it twice is to do it once.
    pub(super) fn stop(&mut self) -> Result<(), Error> {
        let Some(mut pipe) = self.to_guard.take() else { return Ok(()) };
        let mut result = Ok(());
        // The last first: a client of the API server would only complain that it is gone.
        while let Some(Member { name, mut child }) = self.members.pop() {
            result = result.and(child.kill().and_then(|()| child.wait()).map(|_| ()).at(name));
        }
        // Only now: the ids that the guard holds were ours until this moment.
        result = result.and(writeln!(pipe, "done").at("sh"));
        drop(pipe);
        result.and(self.guard.wait().map(|_| ()).at("sh")).and(fs::remove_dir_all(&self.folder).at("the test's folder"))
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // Nobody is there to hear of it; `ControlPlane::stop` is for those who want to.
        let _ = self.stop();
    }
}

/// The last lines of a log.
pub(super) fn tail(path: &Path) -> String {
    const LINES: usize = 20;
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn family(name: &str) -> (Family, PathBuf) {
        let folder = std::env::temp_dir().join(format!("kaito-family-{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        (Family::found(folder.clone()).unwrap(), folder)
    }

    #[test]
    fn stop_ends_the_members_and_removes_the_folder() {
        let (mut family, folder) = family("stop");
        family.start("sleep", Command::new("sleep").arg("1000")).unwrap();
        family.check().unwrap();
        family.stop().unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn a_member_that_was_killed_can_be_started_again_and_its_log_goes_on() {
        let (mut family, folder) = family("again");
        for told in ["begun\n", "begun\nbegun\n"] {
            family.start("sh", Command::new("sh").args(["-c", "echo begun; exec sleep 1000"])).unwrap();
            while fs::read_to_string(folder.join("sh.log")).unwrap() != told {
                std::thread::sleep(Duration::from_millis(5));
            }
            family.kill("sh").unwrap();
        }
        family.check().unwrap();
        assert_eq!(fs::read_to_string(folder.join("sh.log")).unwrap(), "begun\nbegun\n");
        family.stop().unwrap();
    }

    #[test]
    fn a_member_that_ends_by_itself_is_told_with_its_log() {
        let (mut family, _folder) = family("ends");
        family.start("sh", Command::new("sh").args(["-c", "echo no port; exit 3"])).unwrap();
        family.members[0].child.wait().unwrap();
        let error = family.check().unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no port"), "{error}");
    }

    #[test]
    fn members_end_when_their_parent_is_gone_without_a_word() {
        let (mut family, folder) = family("gone");
        family.start("sleep", Command::new("sleep").arg("1000")).unwrap();
        let begin = Instant::now();
        drop(family.to_guard.take()); // what the operating system does for a process that is killed
        let status = family.members[0].child.wait().unwrap();
        assert!(!status.success() && begin.elapsed() < Duration::from_secs(100));
        family.guard.wait().unwrap();
        assert!(!folder.exists());
    }
}
