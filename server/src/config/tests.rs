//! What the configuration takes, in which order, and how it refuses.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::table::{BOOTSTRAP_ACCOUNT, BOOTSTRAP_KEYS, OTHER_VARIABLES, REMOTE_VARIABLES};
use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

struct Case {
    folder: TempDir,
}

impl Case {
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("coffer.toml");
        fs::write(&path, toml).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");
        Self { folder }
    }

    fn load(
        &self,
        env: &[(&str, &str)],
        flags: &[(&'static str, &str)],
    ) -> Result<Loaded, Vec<Problem>> {
        let values = flags.iter().map(|(key, text)| (*key, vec![(*text).to_owned()])).collect();
        let config = Some(self.folder.path().join("coffer.toml"));
        load(&Flags { config, values }, variables(env))
    }

    /// The problems, each without the folder of the file.
    fn refused(&self, env: &[(&str, &str)]) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let Err(problems) = self.load(env, &[]) else { panic!("not refused") };
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

#[test]
fn defaults_hold_when_nobody_says_anything() {
    let loaded = Case::new("").load(&[], &[]).expect("right");
    let settings = loaded.settings;
    assert_eq!(settings.s3_listen.to_string(), "127.0.0.1:9000");
    assert_eq!(settings.management_listen.to_string(), "127.0.0.1:9001");
    assert_eq!(settings.limits.header_bytes, 64 << 10);
    assert_eq!(settings.upload_budget, 128 << 20);
    assert_eq!((settings.region, settings.tls, settings.drives.len()), (None, None, 0));
    assert!(settings.root.is_none() && settings.store_key.is_none() && !settings.accept_loss);
    assert_eq!(loaded.shown.len(), SETTINGS.len());
    assert!(loaded.shown.iter().all(|(_, _, origin)| *origin == Origin::Default));
}

#[test]
fn later_layers_win() {
    let case = Case::new(
        "[s3]\nlisten = \"127.0.0.1:1\"\nregion = \"from-file\"\n[log]\nlevel = \"warn\"",
    );
    let origin_of = |loaded: &Loaded, key: &str| {
        let (_, value, origin) = loaded.shown.iter().find(|(k, ..)| *k == key).expect("shown");
        format!("{value} {}", origin.to_string().rsplit('/').next().expect("one at least"))
    };
    let file = case.load(&[], &[]).expect("right");
    assert_eq!(file.settings.s3_listen.port(), 1);
    assert_eq!(origin_of(&file, "s3.region"), "from-file coffer.toml:3");

    let env = [("COFFER_S3_LISTEN", "127.0.0.1:2"), ("COFFER_LOG_LEVEL", "debug"), ("PATH", "x")];
    let over = case.load(&env, &[]).expect("right");
    assert_eq!(over.settings.s3_listen.port(), 2);
    assert_eq!(over.settings.region.as_deref(), Some("from-file"));
    assert_eq!(origin_of(&over, "log.level"), "debug COFFER_LOG_LEVEL");

    let flags = [("s3.listen", "127.0.0.1:3")];
    let over = case.load(&env, &flags).expect("right");
    assert_eq!(over.settings.s3_listen.port(), 3);
    assert_eq!(over.settings.log_level, "debug");
    assert_eq!(origin_of(&over, "s3.listen"), "127.0.0.1:3 --listen");
}

#[test]
fn an_empty_variable_switches_a_value_off() {
    let case = Case::new("[s3]\nregion = \"eu-1\"\n");
    let loaded = case.load(&[("COFFER_S3_REGION", "")], &[]).expect("right");
    assert_eq!(loaded.settings.region, None);
}

#[test]
fn everything_can_be_set_in_every_layer() {
    let case = Case::new(&format!(
        "drives = [\"d\"]\naccept_loss = true\n[s3]\nlisten = \"[::1]:9\"\nregion = \"eu-1\"\n\
         domains = [\"S3.Example.com\", \"localhost\"]\n[management]\nlisten = \"0.0.0.0:10\"\n\
         [tls]\ncert = \"c.pem\"\nkey = \"/k.pem\"\n[log]\nformat = \"json\"\nlevel = \
         \"info,access=debug\"\n[limits]\nconnections = 7\nheader_bytes = 16384\n\
         header_timeout = \"5 s\"\nidle_timeout = \"6 s\"\nupload_budget = \"64 MiB\"\n\
         shutdown_grace = \"0 s\"\n[[bootstrap_account]]\nname = \"team\"\ncanonical_id = \
         \"{ID}\"\naccess_key = \"TEAMKEY\"\nsecret_key = \"a-long-enough-secret\"\n"
    ));
    let folder = case.folder.path();
    let settings = case.load(&[], &[]).expect("right").settings;
    assert_eq!(settings.drives, [folder.join("d")]);
    assert!(settings.accept_loss);
    assert_eq!(settings.domains, ["s3.example.com", "localhost"]);
    let tls = TlsFiles { cert: folder.join("c.pem"), key: PathBuf::from("/k.pem") };
    assert_eq!(settings.tls, Some(tls));
    assert_eq!((settings.log_format, settings.limits.connections), (LogFormat::Json, 7));
    assert_eq!(settings.limits.shutdown_grace, Duration::ZERO);
    assert_eq!(settings.bootstrap_accounts[0].name.as_str(), "team");

    let values: Vec<(String, &str)> = SETTINGS
        .iter()
        .map(|setting| {
            let value = match setting.key {
                "drives" => "/one",
                "store_key_file" => "",
                "s3.domains" => "a.test,b.test",
                "s3.region" => "eu-2",
                "tls.cert" | "tls.key" => "/pem",
                _ => setting.default,
            };
            (setting.variable(), value)
        })
        .collect();
    let env: Vec<(&str, &str)> =
        values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let settings = Case::new("").load(&env, &[]).expect("right").settings;
    assert_eq!(settings.drives, [PathBuf::from("/one")]);
    assert_eq!(settings.domains, ["a.test", "b.test"]);
}

#[test]
fn unknown_keys_are_refused_with_line_and_nearest_key() {
    let case = Case::new(
        "# comment\n[s3]\nlisten = \"127.0.0.1:0\"\nregoin = \"eu-1\"\n\n[lgo]\nlevel = \"info\"\n",
    );
    assert_eq!(
        case.refused(&[("COFFER_S3_LISTN", "x"), ("COFFER_NONSENSE_AT_ALL", "x")]),
        [
            "coffer.toml:6: unknown key \"lgo\"; did you mean \"log\"?",
            "coffer.toml:4: unknown key \"s3.regoin\"; did you mean \"s3.region\"?",
            "COFFER_S3_LISTN: no such setting; did you mean COFFER_S3_LISTEN?",
            "COFFER_NONSENSE_AT_ALL: no such setting; docs/settings.md lists all, or unset the \
             variable",
        ]
    );
}

#[test]
fn variables_that_an_orchestrator_makes_are_passed_over() {
    let env = [
        ("COFFER_SERVICE_HOST", "10.0.0.1"),
        ("COFFER_SERVICE_PORT_S3", "9000"),
        ("COFFER_PORT", "tcp://10.0.0.1:9000"),
        ("COFFER_PORT_9000_TCP_ADDR", "10.0.0.1"),
    ];
    Case::new("").load(&env, &[]).expect("right");
}

#[test]
fn wrong_values_are_refused_where_they_stand() {
    for (toml, problem) in [
        ("drives = 3.5", "coffer.toml:1: drives takes a list of texts"),
        ("s3 = 1", "coffer.toml:1: s3 is a section: write it as [s3]"),
        ("[s3]\nlisten = [1]", "coffer.toml:2: s3.listen takes one value"),
        ("[s3]\nlisten = 9000", "\"9000\" is not an IP address and port"),
        ("[s3]\nregion = \"EU_1\"", "coffer.toml:2: s3.region: \"EU_1\" is not a region"),
        ("[s3]\ndomains = [\"a.b\", \"x.a.b\"]", "repeats, holds or lies in another one"),
        ("[s3]\ndomains = [\"http://x\"]", "is not a domain"),
        ("[tls]\ncert = \"c\"", "coffer.toml:2: tls.cert needs tls.key beside it"),
        ("[tls]\nkey = \"k\"", "coffer.toml:2: tls.key needs tls.cert beside it"),
        ("[log]\nformat = \"xml\"", "neither text nor json"),
        ("[log]\nlevel = \"inof\"", "did you mean info?"),
        ("[log]\nlevel = \"info,x=loud\"", "\"loud\" is none of"),
        ("[limits]\nconnections = 0", "\"0\" is less than 1"),
        ("[limits]\nheader_bytes = \"2 MiB\"", "is more than 1 MiB"),
        ("[limits]\nidle_timeout = 30", "is not a time with its unit"),
        ("[limits]\nidle_timeout = \"0 s\"", "would end every request"),
        ("[limits]\nupload_budget = \"1 MiB\"", "is less than"),
        ("segment_size = \"1 MiB\"", "is less than"),
        ("segment_size = \"5000 KiB\"", "multiple"),
        ("segment_size = \"2 GiB\"", "more than"),
        ("[management]\nlisten = \"127.0.0.1:9000\"", "are the same address"),
        ("store_key_file = \"/nonexistent/key\"", "cannot read /nonexistent/key"),
        ("[s3\n", "coffer.toml:1: "),
        ("a = 1\na = 2", "coffer.toml:2: "),
        ("bootstrap_account = 1", "write it as [[bootstrap_account]]"),
    ] {
        let problems = Case::new(toml).refused(&[]);
        assert!(problems.iter().any(|p| p.contains(problem)), "{toml}: {problems:?}");
    }
}

#[test]
fn bootstrap_accounts_are_whole_and_unlike_each_other() {
    let account = |name: &str, id: &str, access: &str, secret: &str| {
        format!(
            "[[bootstrap_account]]\nname = \"{name}\"\ncanonical_id = \"{id}\"\naccess_key = \
             \"{access}\"\nsecret_key = \"{secret}\"\n"
        )
    };
    let good = "a-long-enough-secret";
    for (toml, problem) in [
        ("[[bootstrap_account]]\nname = \"x\"\n".to_owned(), "lacks canonical_id"),
        ("[[bootstrap_account]]\nnmae = \"x\"\n".to_owned(), "did you mean \"name\"?"),
        (account("x", "12", "KEY", good), "64 lower-case hexadecimal digits"),
        (account("x y", ID, "KEY", good), "an account name has"),
        (account("x", ID, "KEY", "short"), "a secret key has 8 to 128"),
        (account("x", ID, "KEY", "minioadmin"), "well-known"),
        (account("x", ID, "ROOTKEY", good), "\"ROOTKEY\" is used twice"),
        (account("x", ID, "KEY", good) + &account("y", ID, "KEY2", good), "is used twice"),
    ] {
        let env =
            [(ROOT_ACCESS_VARIABLE, "ROOTKEY"), (ROOT_SECRET_VARIABLE, "another-long-secret")];
        let problems = Case::new(&toml).refused(&env);
        assert!(problems.iter().any(|p| p.contains(problem)), "{toml}: {problems:?}");
        assert!(!problems.iter().any(|p| p.contains(good)), "a secret was shown: {problems:?}");
    }
}

#[test]
fn root_credentials_come_in_pairs_and_not_from_a_word_list() {
    for (access, secret, problem) in [
        ("ROOTKEY", "", "COFFER_ROOT_ACCESS_KEY: set COFFER_ROOT_SECRET_KEY too"),
        ("", "a-long-enough-secret", "COFFER_ROOT_SECRET_KEY: set COFFER_ROOT_ACCESS_KEY too"),
        ("admin", "admin", "COFFER_ROOT_ACCESS_KEY: "),
        ("minioadmin", "minioadmin", "COFFER_ROOT_ACCESS_KEY: "),
        ("mykey", "password", "COFFER_ROOT_SECRET_KEY: "),
        ("a:b", "a-long-enough-secret", "COFFER_ROOT_ACCESS_KEY: "),
    ] {
        let env = [(ROOT_ACCESS_VARIABLE, access), (ROOT_SECRET_VARIABLE, secret)];
        let problems = Case::new("").refused(&env);
        assert!(problems.iter().any(|p| p.starts_with(problem)), "{access}: {problems:?}");
    }
    let env = [(ROOT_ACCESS_VARIABLE, "ROOTKEY"), (ROOT_SECRET_VARIABLE, "a-long-enough-secret")];
    let settings = Case::new("").load(&env, &[]).expect("right").settings;
    assert_eq!(settings.root.expect("given").access_key, "ROOTKEY");
}

#[test]
fn the_store_key_comes_from_one_place() {
    let case = Case::new("store_key_file = \"key\"\n");
    let path = case.folder.path().join("key");
    fs::write(&path, format!("{}\n", "ab".repeat(32))).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("set");
    let loaded = case.load(&[], &[]).expect("right");
    assert_eq!(loaded.settings.store_key.expect("read")[..], [0xab; 32]);
    assert!(loaded.warnings[0].to_string().contains("chmod 600"));

    let key = "cd".repeat(32);
    let problems = case.refused(&[("COFFER_STORE_KEY", &key)]);
    assert!(problems[0].contains("in one place") && !problems[0].contains(&key), "{problems:?}");
    let settings = Case::new("").load(&[("COFFER_STORE_KEY", &key)], &[]).expect("right").settings;
    assert_eq!(settings.store_key.expect("read")[..], [0xcd; 32]);
    let problems = Case::new("").refused(&[("COFFER_STORE_KEY", "cdcdcd")]);
    assert!(problems[0].contains("64 hexadecimal digits"), "{problems:?}");
}

#[test]
fn a_file_that_is_named_must_exist() {
    let flags = Flags { config: Some(PathBuf::from("/nonexistent.toml")), values: Vec::new() };
    let Err(problems) = load(&flags, []) else { panic!("not refused") };
    assert!(problems[0].to_string().starts_with("--config: cannot read /nonexistent.toml"));
    let env = variables(&[("COFFER_CONFIG", "/nonexistent.toml")]);
    let Err(problems) = load(&Flags::default(), env) else { panic!("not refused") };
    assert!(problems[0].to_string().starts_with("COFFER_CONFIG: cannot read"));
}

#[test]
fn a_readable_file_with_secrets_is_warned_about() {
    let case = Case::new(&format!(
        "[[bootstrap_account]]\nname = \"team\"\ncanonical_id = \"{ID}\"\naccess_key = \
         \"TEAMKEY\"\nsecret_key = \"a-long-enough-secret\"\n"
    ));
    assert!(case.load(&[], &[]).expect("right").warnings.is_empty());
    let path = case.folder.path().join("coffer.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
    let warnings = case.load(&[], &[]).expect("right").warnings;
    assert!(warnings[0].to_string().contains("chmod 600"));
}

#[test]
fn names_of_variables_are_unlike_each_other() {
    let mut names: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    names.extend(OTHER_VARIABLES.iter().chain(REMOTE_VARIABLES).map(ToString::to_string));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn the_documentation_lists_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let text = fs::read_to_string(&path).expect("docs/settings.md");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
    for setting in SETTINGS {
        let key = format!("| `{}` |", setting.key);
        let row = rows.iter().find(|row| row.starts_with(&key)).expect(setting.key);
        let variable = format!("`{}`", setting.variable());
        assert!(row.contains(&variable), "{variable} in {row}");
        if let Some(flag) = setting.flag {
            assert!(row.contains(flag), "{flag} in {row}");
        }
        assert!(row.contains(setting.default), "{} in {row}", setting.default);
    }
    for name in OTHER_VARIABLES.iter().chain(REMOTE_VARIABLES) {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| `{name}` |"))), "{name}");
    }
    for key in BOOTSTRAP_KEYS {
        assert!(rows.iter().any(|row| row.starts_with(&format!("| `{key}` |"))), "{key}");
    }
    assert!(text.contains(&format!("[[{BOOTSTRAP_ACCOUNT}]]")));
    let variables = OTHER_VARIABLES.len() + REMOTE_VARIABLES.len();
    assert_eq!(
        rows.len(),
        SETTINGS.len() + variables + BOOTSTRAP_KEYS.len(),
        "a row about nothing"
    );
}
