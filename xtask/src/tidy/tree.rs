//! The files of the repository, as they lie on disk.

use super::Finding;
use std::fs;
use std::io;
use std::path::Path;

pub struct Tree {
    pub files: Vec<File>,
    /// Paths of files that are not text.
    pub binaries: Vec<String>,
}

pub struct File {
    /// From the root of the repository, with forward slashes.
    pub path: String,
    pub text: String,
}

/// The repository holds what we wrote, and that is text.
pub fn text_only(tree: &Tree) -> Vec<Finding> {
    tree.binaries.iter().map(|path| Finding::new(path, 0, "not a text file (UTF-8)")).collect()
}

impl Tree {
    /// Reads every file that `.gitignore` does not leave out. Links are not followed.
    pub fn read(root: &Path) -> io::Result<Tree> {
        let ignore = Ignore::parse(&fs::read_to_string(root.join(".gitignore"))?);
        let mut tree = Tree { files: Vec::new(), binaries: Vec::new() };
        tree.read_folder(root, "", &ignore)?;
        tree.files.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(tree)
    }

    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or a folder of this path is in the repository.
    pub fn holds(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        path.is_empty()
            || self.files.iter().any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str, ignore: &Ignore) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if ignore.matches(&path) {
                continue;
            }
            if kind.is_dir() {
                self.read_folder(&entry.path(), &format!("{path}/"), ignore)?;
            } else if kind.is_file() {
                match String::from_utf8(fs::read(entry.path())?) {
                    Ok(text) => self.files.push(File { path, text }),
                    Err(_) => self.binaries.push(path),
                }
            }
        }
        Ok(())
    }
}

impl File {
    #[cfg(test)]
    pub fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    pub fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// `crates/a/src/b.rs` is a file of crate `a`.
    pub fn crate_name(&self) -> Option<&str> {
        let mut parts = self.path.split('/');
        match (parts.next(), parts.next()) {
            (Some("crates"), Some(name)) => Some(name),
            (Some("xtask"), _) => Some("xtask"),
            _ => None,
        }
    }
}

/// The part of `.gitignore` that we use: `/path`, `name`, `name/` and `*.extension`.
struct Ignore {
    rooted: Vec<String>,
    names: Vec<String>,
    suffixes: Vec<String>,
}

impl Ignore {
    fn parse(text: &str) -> Ignore {
        let mut ignore = Ignore { rooted: Vec::new(), names: vec![".git".to_owned()], suffixes: Vec::new() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let pattern = line.trim_end_matches('/');
            if let Some(path) = pattern.strip_prefix('/') {
                ignore.rooted.push(path.to_owned());
            } else if let Some(suffix) = pattern.strip_prefix('*') {
                ignore.suffixes.push(suffix.to_owned());
            } else {
                ignore.names.push(pattern.to_owned());
            }
        }
        ignore
    }

    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        self.rooted.iter().any(|rooted| rooted == path)
            || self.names.iter().any(|ignored| ignored == name)
            || self.suffixes.iter().any(|suffix| name.ends_with(suffix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_paths_are_left_out() {
        let ignore = Ignore::parse("# comment\n/target\n__pycache__/\n*.pyc\nnode_modules\n");
        let cases = [
            ("target", true),
            ("fuzz/target", false),
            ("acceptance/__pycache__", true),
            ("acceptance/tour.pyc", true),
            ("acceptance/tour.py", false),
            ("web/node_modules", true),
            (".git", true),
            (".gitignore", false),
        ];
        for (path, expect) in cases {
            assert_eq!(ignore.matches(path), expect, "{path}");
        }
    }

    #[test]
    fn files_that_are_not_text_are_found() {
        let tree = Tree { files: Vec::new(), binaries: vec!["docs/a.bin".to_owned()] };
        assert_eq!(text_only(&tree), [Finding::new("docs/a.bin", 0, "not a text file (UTF-8)")]);
        assert!(text_only(&Tree { files: vec![File::new("a.md", "text")], binaries: Vec::new() }).is_empty());
    }

    #[test]
    fn a_tree_holds_files_and_their_folders() {
        let tree = Tree { files: vec![File::new("docs/a.md", "")], binaries: Vec::new() };
        for (path, expect) in [("docs/a.md", true), ("docs", true), ("docs/", true), ("doc", false), ("docs/a", false)] {
            assert_eq!(tree.holds(path), expect, "{path}");
        }
    }
}
