//! The access key that requests are signed with: from a file, else from the environment.

use std::path::Path;

use coffer_access::{Credentials, Secret};

use crate::config::{ACCESS_VARIABLE, SECRET_VARIABLE};
use crate::credentials;
use crate::failure::Failure;

/// The pairs of variables that are looked at, in this order.
const VARIABLES: [(&str, &str); 2] =
    [(ACCESS_VARIABLE, SECRET_VARIABLE), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")];

/// Finds the access key. A pair of which only one half is set is refused, not passed over.
pub(super) fn find(
    file: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Credentials, Failure> {
    if let Some(file) = file {
        let in_folder = credentials::path(file);
        let file = if file.is_dir() { &in_folder } else { file };
        return credentials::read_file(file).map_err(|error| Failure::from_error(&error));
    }
    for (access, secret) in VARIABLES {
        let given = |name| variable(name).filter(|value| !value.is_empty());
        match (given(access), given(secret)) {
            (Some(access_key), Some(secret)) => {
                return Ok(Credentials { access_key, secret: Secret::new(secret) });
            }
            (None, None) => {}
            (Some(_), None) => return Err(half(access, secret)),
            (None, Some(_)) => return Err(half(secret, access)),
        }
    }
    Err(Failure::usage(format!(
        "there is no access key: name its file, as in --credentials ./data/credentials, or set \
         {ACCESS_VARIABLE} and {SECRET_VARIABLE}"
    )))
}

fn half(set: &str, missing: &str) -> Failure {
    Failure::usage(format!("{set} is set, but {missing} is not: set both, or none of them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let mut all = variables.iter();
            all.find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        find(None, variable)
            .map(|key| format!("{}:{}", key.access_key, key.secret.expose()))
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn our_own_variables_come_before_those_of_sdks() {
        let aws = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let own = [("COFFER_ACCESS_KEY", "C"), ("COFFER_SECRET_KEY", "t")];
        assert_eq!(from(&aws), Ok("A:s".to_owned()));
        assert_eq!(from(&[aws, own].concat()), Ok("C:t".to_owned()));
        assert!(from(&[&own[..1], &aws[..]].concat()).expect_err("half").contains("COFFER_SECRET"));
        assert!(from(&aws[1..]).expect_err("half").contains("AWS_ACCESS_KEY_ID is not"));
        assert!(from(&[]).expect_err("none").contains("--credentials"));
        assert!(from(&[("COFFER_ACCESS_KEY", ""), ("COFFER_SECRET_KEY", "")]).is_err());
    }

    #[test]
    fn a_file_or_its_folder_comes_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = credentials::path(folder.path());
        std::fs::write(&file, "# of a test\nuser = \"F:u\"\n").expect("written");
        for path in [folder.path(), &file] {
            let key = find(Some(path), |_| Some("other".to_owned())).expect("found");
            assert_eq!((&*key.access_key, key.secret.expose()), ("F", "u"));
        }
        let missing = find(Some(Path::new("/none/such")), |_| Some("other".to_owned()));
        assert!(missing.expect_err("refused").to_string().contains("/none/such"));
    }
}
