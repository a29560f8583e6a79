//! The programs of `tests/pitfalls` and what their sources say that an analysis of them must say.
//!
//! A directive is a line `//# KEY: WORDS` for all programs that the source builds, or `//# KEY BUILD: WORDS` for one.
//! `CALL` is a name as `--names` writes it.
//!
//! | key | the analysis |
//! |---|---|
//! | `exact: CALL...` | has these calls and no other |
//! | `baseline: BUILD`, `adds: CALL...` | has these calls beyond those of another program, built alike, and has all of that one's |
//! | `must: CALL...` | has these |
//! | `within: CALL...` | has no other than these |
//! | `not: CALL...` | has none of these |
//! | `must-or-gap: KIND CALL...` | has these, or a gap of that kind |
//! | `before-main: CALL...`, `after-main: CALL...` | says so of the phase of these |
//! | `layer: LAYER CALL...` | says that these are reachable from that layer on |
//! | `gap: KIND...`, `no-gap: KIND...` | has a gap of each kind, with a place in the program or a library of it; has none |
//! | `gaps: none` | has no gap by which calls may be missing |
//! | `any: COUNT FUNCTION`, `any: none` | says of so many indirect calls in the program that they may lead to whatever has its address taken, the first of them in that function; has no such call |
//! | `argument: CALL PARAMETER VALUE...` | knows exactly these values, or none when the value is `unknown` |
//! | `module: NAME LAYER` | has a module whose path ends so, in that layer |
//! | `executes: PATH...`, `opens: PATH...` | reports these |
//! | `assumption: WORD` | states an assumption with this word in it |
//! | `options: WORD...` | (of the command line) is made with these; `$DIR` is the program's directory |
//! | `code: TEXT` | (of the program, not the analysis) `objdump -d` shows this: the pitfall is there |

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::analysis::analyse;
use super::judge::Judge;
use super::{PATH, fixtures};

const DIRECTORY: &str = "pitfalls";

/// A program, with what its source demands of it.
pub struct Pitfall {
    pub name: String,
    source: PathBuf,
    directives: Vec<Directive>,
}

struct Directive {
    key: String,
    words: Vec<String>,
}

/// The names of all programs.
pub fn names() -> BTreeSet<String> {
    fixtures::recipes(DIRECTORY).into_iter().map(|recipe| recipe.name).collect()
}

impl Pitfall {
    pub fn load(name: &str) -> Pitfall {
        let recipes = fixtures::recipes(DIRECTORY);
        let source = recipes.iter().find(|recipe| recipe.name == name).map(|recipe| &recipe.source);
        let source = source.unwrap_or_else(|| panic!("no source builds {name}")).clone();
        let siblings: Vec<&str> = recipes
            .iter()
            .filter(|recipe| recipe.source == source)
            .map(|recipe| recipe.name.as_str())
            .collect();
        let directives = directives(&source, name, &siblings);
        assert!(!directives.is_empty(), "{}: expects nothing of {name}", source.display());
        Pitfall { name: name.to_owned(), source, directives }
    }

    /// What is wrong with the analysis of it, one sentence each; `Err` when the program cannot be built here.
    pub fn check(&self) -> Result<Vec<String>, String> {
        let executable = fixtures::build(&self.name)?;
        self.check_code(&executable)?;
        let directory = executable.parent().expect("fixture directory").display().to_string();
        let options: Vec<String> =
            self.words("options").map(|word| word.replace("$DIR", &directory)).collect();
        let program = match analyse(&executable, &options) {
            Ok(program) => program,
            Err(why) => return Ok(vec![format!("is refused: {why}")]),
        };
        let baseline = self.words("baseline").next();
        let baseline = baseline.map(|name| fixtures::build(name)).transpose()?;
        let baseline = baseline.map(|path| analyse(&path, &[]).expect("the baseline is analysed"));
        let mut judge = Judge { program: &program, baseline: baseline.as_ref(), wrong: Vec::new() };
        for directive in &self.directives {
            judge.apply(&directive.key, &directive.words);
        }
        judge.is_coherent(&executable);
        Ok(judge.wrong)
    }

    pub fn source(&self) -> &Path {
        &self.source
    }

    fn words(&self, key: &str) -> impl Iterator<Item = &String> {
        self.directives.iter().filter(move |directive| directive.key == key).flat_map(|d| &d.words)
    }

    /// The compiler made what the source is there to show.
    fn check_code(&self, executable: &Path) -> Result<(), String> {
        for directive in self.directives.iter().filter(|directive| directive.key == "code") {
            if let Some(why) = super::missing(["objdump"]) {
                return Err(why);
            }
            let output = Command::new("objdump")
                .args(["-d", "--no-show-raw-insn"])
                .arg(executable)
                .env("PATH", PATH)
                .output()
                .expect("run objdump");
            let text = String::from_utf8_lossy(&output.stdout);
            let wanted = directive.words.join(" ");
            let shows = text.lines().any(|line| {
                line.split_whitespace().collect::<Vec<_>>().join(" ").contains(&wanted)
            });
            assert!(shows, "the compiler made no `{wanted}` of {}", self.source.display());
        }
        Ok(())
    }
}

fn directives(source: &Path, name: &str, siblings: &[&str]) -> Vec<Directive> {
    let text = fs::read_to_string(source).expect("read a program's source");
    let lines = text.lines().filter_map(|line| line.strip_prefix("//# "));
    let mut directives = Vec::new();
    for line in lines.filter(|line| !line.starts_with("build")) {
        let (head, words) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{}: `//# {line}` is no directive", source.display()));
        let (key, build) = head.split_once(' ').map_or((head, None), |(key, b)| (key, Some(b)));
        if let Some(build) = build {
            assert!(siblings.contains(&build), "{}: no build {build}", source.display());
        }
        if build.is_none_or(|build| build == name) {
            let words = words.split_whitespace().map(str::to_owned).collect();
            directives.push(Directive { key: key.to_owned(), words });
        }
    }
    directives
}
