//! `archgen sim bisect`: the first commit whose simulator finds a kept run red. Each commit is built in a work tree of its own and replays
//! the artifact with its own program and its own spec.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    arguments::BisectArguments,
    artifacts::checked,
    program::{Failure, complain, say},
};

/// Where a commit's simulator is once it is built, under the target folder of its work tree.
const PROGRAM: &str = "release/archgen-sim";

/// What a commit's program says of the artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judged {
    Green,
    Red,
    /// It cannot be built, or cannot read the artifact or the spec.
    Nothing,
}

/// Looks for the first red commit. `true` when the newest is green.
///
/// # Errors
/// See [`Failure`].
pub fn run(arguments: &BisectArguments) -> Result<bool, Failure> {
    let artifact = std::path::absolute(&arguments.artifact)
        .map_err(|error| Failure::Input(format!("cannot find `{}`: {error}", arguments.artifact.display())))?;
    // A damaged artifact is told now, not once for each commit.
    checked(&artifact)?;
    let range = format!("{}..{}", arguments.good, arguments.bad);
    let listed = git(Path::new("."), &["rev-list", "--reverse", "--first-parent", &range])?;
    let commits: Vec<String> = listed.lines().map(str::to_owned).collect();
    if commits.is_empty() {
        return Err(Failure::Input(format!("there is no commit in {range}")));
    }
    let tree = Tree::at(&commits[0])?;
    let mut probe = |commit: &str| {
        let judged = tree.judge(commit, &artifact, &arguments.build)?;
        let title = git(&tree.0, &["log", "-1", "--format=%h %s", commit])?;
        complain(&format!("{judged:?}: {}", title.trim()));
        Ok(judged)
    };
    match first_red(&commits, &mut probe)? {
        Some(first) => {
            let about = git(&tree.0, &["log", "-1", "--format=%H%n%an, %as%n%s", &commits[first]])?;
            say(&format!("first red commit: {about}"));
            Ok(false)
        }
        None => {
            say(&format!("the run is green at {}\n", arguments.bad));
            Ok(true)
        }
    }
}

/// The index of the first red one among these, oldest first, of which the last is looked at first. Those of which nothing can be said
/// are passed over.
fn first_red(
    commits: &[String],
    probe: &mut dyn FnMut(&str) -> Result<Judged, Failure>,
) -> Result<Option<usize>, Failure> {
    let last = commits.len() - 1;
    let mut known: Vec<Option<Judged>> = vec![None; commits.len()];
    let mut look = |index: usize| -> Result<Judged, Failure> {
        match known[index] {
            Some(judged) => Ok(judged),
            None => Ok(*known[index].insert(probe(&commits[index])?)),
        }
    };
    match look(last)? {
        Judged::Green => return Ok(None),
        Judged::Red => {}
        Judged::Nothing => return Err(Failure::Input("the newest commit cannot replay the artifact".to_owned())),
    }
    // What lies before `green` is green or says nothing, and `red` is red.
    let (mut green, mut red) = (0, last);
    while green < red {
        let middle = green + (red - green) / 2;
        let mut judged = (middle, Judged::Nothing);
        // The nearest that says something: from the middle to the red one, then back to the green ones.
        for index in (middle..red).chain((green..middle).rev()) {
            judged = (index, look(index)?);
            if judged.1 != Judged::Nothing {
                break;
            }
        }
        match judged {
            (index, Judged::Red) => red = index,
            (index, Judged::Green) => green = index + 1,
            (_, Judged::Nothing) => break,
        }
    }
    Ok(Some(red))
}

/// A work tree for the commits, removed at the end.
struct Tree(PathBuf);

impl Tree {
    fn at(commit: &str) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("archgen-bisect-{}", std::process::id()));
        let path = folder.to_string_lossy().into_owned();
        git(Path::new("."), &["worktree", "add", "--detach", &path, commit])?;
        Ok(Self(folder))
    }

    fn judge(&self, commit: &str, artifact: &Path, build: &str) -> Result<Judged, Failure> {
        git(&self.0, &["checkout", "--quiet", "--detach", commit])?;
        if !self.build(build) {
            return Ok(Judged::Nothing);
        }
        let program = self.target().join(PROGRAM);
        let replayed = Command::new(program).arg("replay").arg(artifact).current_dir(&self.0).output();
        let Ok(output) = replayed else { return Ok(Judged::Nothing) };
        let text = String::from_utf8_lossy(&output.stdout);
        let verdict = text.lines().next().and_then(|line| line.rsplit_once(" is ")).map(|(_, verdict)| verdict.trim());
        Ok(match verdict {
            Some("green") => Judged::Green,
            Some("red") => Judged::Red,
            _ => Judged::Nothing,
        })
    }
}

impl Tree {
    /// What is built of it: nothing of this lies where the user's own programs do.
    fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    /// Builds it by this command; `false` where that fails.
    fn build(&self, command: &str) -> bool {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&self.0).env("CARGO_TARGET_DIR", self.target());
        shell.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What git does not remove is in the temporary folder.
        let _ = git(Path::new("."), &["worktree", "remove", "--force", &self.0.to_string_lossy()]);
    }
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").current_dir(folder).args(arguments).output();
    let output = output.map_err(|error| Failure::Input(format!("cannot run git: {error}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::Input(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `g` is green, `r` red, `-` says nothing.
    fn found(line: &str) -> (Option<usize>, usize) {
        let commits: Vec<String> = (0..line.len()).map(|index| index.to_string()).collect();
        let mut probes = 0;
        let mut probe = |commit: &str| {
            probes += 1;
            Ok(match line.as_bytes()[commit.parse::<usize>().unwrap()] {
                b'g' => Judged::Green,
                b'r' => Judged::Red,
                _ => Judged::Nothing,
            })
        };
        let first = first_red(&commits, &mut probe).unwrap();
        (first, probes)
    }

    #[test]
    fn the_first_red_commit_is_found_in_few_looks() {
        for length in 1..40 {
            for first in 0..length {
                let line = "g".repeat(first) + &"r".repeat(length - first);
                let (found, probes) = found(&line);
                assert_eq!(found, Some(first), "{line}");
                assert!(probes <= 8, "{line}: {probes} looks");
            }
        }
        assert_eq!(found("ggg").0, None);
    }

    #[test]
    fn what_is_built_of_a_commit_lies_in_its_own_tree() {
        let folder = std::env::temp_dir().join(format!("archgen-bisect-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let tree = Tree(folder.clone());
        assert!(tree.build("printf %s \"$CARGO_TARGET_DIR\" >told"));
        let told = std::fs::read_to_string(folder.join("told")).unwrap();
        assert_eq!(Path::new(&told), folder.join("target"));
        assert!(!tree.build("false"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn commits_that_say_nothing_are_passed_over() {
        assert_eq!(found("gg-rr").0, Some(3));
        assert_eq!(found("g--r").0, Some(3));
        assert_eq!(found("r---r").0, Some(0));
        assert_eq!(found("---r").0, Some(3));
    }
}
