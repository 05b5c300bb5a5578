//! The tag of a container image reference, which decides the pull policy.

use super::{Object, set_empty, text};

/// `imagePullPolicy` or `pullPolicy` from the tag of the image.
pub fn set_pull_policy(object: &mut Object, image: &str, policy: &str) {
    let latest = tag(text(object, image)) == "latest";
    set_empty(object, policy, if latest { "Always" } else { "IfNotPresent" });
}

/// The tag; `latest` for a reference with neither tag nor digest, empty for what is no reference.
fn tag(image: &str) -> &str {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let path = name.rfind('/').map_or(0, |at| at + 1);
    let (name, tag) = match name[path..].find(':') {
        Some(at) => (&name[..path + at], Some(&name[path + at + 1..])),
        None => (name, None),
    };
    let valid = is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    match (valid, tag, digest) {
        (false, _, _) => "",
        (true, Some(tag), _) => tag,
        (true, None, None) => "latest",
        (true, None, Some(_)) => "",
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty() && hex.len() >= 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_name(name: &str) -> bool {
    if name.len() == 64 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        // An image identifier, not a name.
        return false;
    }
    let rest = match name.split_once('/') {
        Some((domain, rest)) if is_domain_like(domain) => {
            if !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte)) {
                return false;
            }
            rest
        }
        _ => name,
    };
    !rest.is_empty() && rest.split('/').all(is_path_component)
}

/// What stands before the first slash is a registry if it looks like a host.
fn is_domain_like(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Lower-case letters and digits, separated by `.`, `_`, `__` or dashes.
fn is_path_component(part: &str) -> bool {
    let word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (part.as_bytes().first(), part.as_bytes().last()) else { return false };
    word(first)
        && word(last)
        && part
            .split(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
            .all(|separator| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn tags() {
        for (image, expected) in [
            ("nginx", "latest"),
            ("nginx:latest", "latest"),
            ("nginx:1.27", "1.27"),
            ("localhost:5000/a/b", "latest"),
            ("localhost:5000/a/b:v1", "v1"),
            ("registry.k8s.io/pause@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097", ""),
            ("", ""),
            ("Nginx", ""),
            ("Foo/bar", "latest"),
            ("a b", ""),
            ("nginx:", ""),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }
}
