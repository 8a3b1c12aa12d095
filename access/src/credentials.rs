//! Credentials as a person gives them or a first start draws them, and which ones are refused.

use coffer_types::Rand;

use crate::secret::Secret;

/// An access key and its secret, not yet stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret: Secret,
}

/// Why credentials are refused. Each says what to do.
#[allow(clippy::enum_variant_names)] // each says what is wrong with which key
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedCredentials {
    /// Shorter than 3 or longer than 128 characters, or with a character that a signature cannot
    /// carry.
    #[error(
        "an access key has 3 to 128 letters, digits or other printable ASCII characters except \
         '/', ',', '=' and ':'; choose another one"
    )]
    AccessKey,
    /// Shorter than 8 or longer than 128 characters, or not printable ASCII.
    #[error(
        "a secret key has 8 to 128 printable ASCII characters without spaces; choose a longer one"
    )]
    SecretKey,
    /// Everybody knows this access key.
    #[error(
        "the access key {0:?} is a well-known default or example; choose your own, or leave both \
         keys unset and let the first start generate them"
    )]
    WellKnownAccessKey(String),
    /// Everybody knows this secret.
    #[error(
        "the secret key is a well-known default or example; choose your own, or leave both keys \
         unset and let the first start generate them"
    )]
    WellKnownSecretKey,
    /// The secret is the access key.
    #[error("the secret key must differ from the access key; choose another one")]
    SameAsAccessKey,
}

/// Defaults and examples of documentation and other products, in lower case. Neither half of a
/// key may be one of them.
const WELL_KNOWN: [&str; 40] = [
    "accesskey",
    "access_key",
    "access-key",
    "admin",
    "administrator",
    "adminadmin",
    "admin123",
    "admin1234",
    "akiaiosfodnn7example",
    "akiai44qh8dhbexample",
    "aws_access_key_id",
    "aws_secret_access_key",
    "changeme",
    "changeit",
    "changeme123",
    "coffer",
    "coffercoffer",
    "cofferadmin",
    "default",
    "example",
    "foobar",
    "foobarfoobar",
    "garage",
    "je7mtgbclwbf/2zp9utk/h3yceye8bexample", // in lower case like its fellows
    "minio",
    "minio123",
    "minioadmin",
    "miniostorage",
    "password",
    "password1",
    "password123",
    "root",
    "rootroot",
    "rustfsadmin",
    "secret",
    "secretkey",
    "test",
    "testtest",
    "testtest123",
    "wjalrxutnfemi/k7mdeng/bpxrficyexamplekey",
];

impl Credentials {
    /// Draws new ones: `CF` and 18 of `A-Z0-9`; 40 of `A-Za-z0-9` (238 bits).
    pub fn generate(rand: &dyn Rand) -> Self {
        const UPPER: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        const BASE62: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let access_key = format!("CF{}", draw(rand, UPPER, 18));
        let secret = Secret::new(draw(rand, BASE62, 40).into_boxed_str());
        Self { access_key, secret }
    }

    /// Refuses credentials that a guess would open.
    pub fn check(&self) -> Result<(), RefusedCredentials> {
        let id = self.access_key.as_str();
        let secret = self.secret.expose();
        let printable = |text: &str| text.bytes().all(|c| c.is_ascii_graphic());
        // '/' and ',' end the access key in a SigV4 header, ':' in a SigV2 one.
        if !(3..=128).contains(&id.len()) || !printable(id) || id.contains(['/', ',', '=', ':']) {
            return Err(RefusedCredentials::AccessKey);
        }
        if is_well_known(id) {
            return Err(RefusedCredentials::WellKnownAccessKey(id.to_owned()));
        }
        if is_well_known(secret) {
            return Err(RefusedCredentials::WellKnownSecretKey);
        }
        if !(8..=128).contains(&secret.len()) || !printable(secret) {
            return Err(RefusedCredentials::SecretKey);
        }
        if secret.eq_ignore_ascii_case(id) {
            return Err(RefusedCredentials::SameAsAccessKey);
        }
        Ok(())
    }
}

fn is_well_known(text: &str) -> bool {
    WELL_KNOWN.iter().any(|known| text.eq_ignore_ascii_case(known))
}

/// `len` characters of `alphabet`, each equally likely: bytes behind the last whole multiple of
/// its length are drawn again.
fn draw(rand: &dyn Rand, alphabet: &[u8], len: usize) -> String {
    let fair = 256 - 256 % alphabet.len();
    let mut text = String::with_capacity(len);
    let mut pool = zeroize::Zeroizing::new([0_u8; 64]);
    while text.len() < len {
        rand.fill(&mut *pool);
        let fair_bytes = pool.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        for byte in fair_bytes.take(len - text.len()) {
            text.push(char::from(alphabet[byte % alphabet.len()]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ensure::tests::CountingRand;

    fn credentials(access_key: &str, secret: &str) -> Credentials {
        Credentials { access_key: access_key.to_owned(), secret: Secret::new(secret) }
    }

    #[test]
    fn generated_credentials_have_the_promised_shape() {
        let rand = CountingRand::default();
        let first = Credentials::generate(&rand);
        assert_eq!(first.access_key.len(), 20);
        assert!(first.access_key.starts_with("CF"));
        let upper = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit();
        assert!(first.access_key.bytes().all(upper));
        assert_eq!(first.secret.expose().len(), 40);
        assert!(first.secret.expose().bytes().all(|c| c.is_ascii_alphanumeric()));
        assert_eq!(first.check(), Ok(()));
        assert_ne!(first, Credentials::generate(&rand));
    }

    #[test]
    fn well_known_and_weak_credentials_are_refused() {
        use RefusedCredentials as Refused;
        let known = |id: &str| Err(Refused::WellKnownAccessKey(id.to_owned()));
        let cases = [
            (credentials("admin", "admin"), known("admin")),
            (credentials("MinioAdmin", "minioadmin"), known("MinioAdmin")),
            (credentials("root", "a-long-enough-secret"), known("root")),
            (credentials("test", "test"), known("test")),
            (credentials("AKIAIOSFODNN7EXAMPLE", "abcdefgh1"), known("AKIAIOSFODNN7EXAMPLE")),
            (credentials("mykey", "password"), Err(Refused::WellKnownSecretKey)),
            (
                credentials("mykey", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
                Err(Refused::WellKnownSecretKey),
            ),
            (credentials("mykey", "short12"), Err(Refused::SecretKey)),
            (credentials("mykey", "has a space in it"), Err(Refused::SecretKey)),
            (credentials("ab", "a-long-enough-secret"), Err(Refused::AccessKey)),
            (credentials("a/b/c", "a-long-enough-secret"), Err(Refused::AccessKey)),
            (credentials("kéy", "a-long-enough-secret"), Err(Refused::AccessKey)),
            (credentials("longenough", "LongEnough"), Err(Refused::SameAsAccessKey)),
            (credentials("mykey", "12345678"), Ok(())),
        ];
        for (credentials, expected) in cases {
            assert_eq!(credentials.check(), expected, "{}", credentials.access_key);
        }
    }
}
