//! First and later starts, renewal, and every file that does not fit.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

pub(crate) fn names() -> Names {
    Names {
        node: "node-1".into(),
        hosts: vec!["node-1.example.org".into(), "localhost".into()],
        addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        service_ip: first_service_ip("10.96.0.0/12").unwrap(),
        cluster_domain: "cluster.local".into(),
    }
}

fn parsed(pki: &Pki, name: &str) -> Certificate {
    let path = pki.certificate(name);
    Certificate::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap()
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = |dir: &Path| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut all = [files(dir), files(&dir.join("etcd"))].concat();
    all.retain(|path| path.is_file());
    all.sort();
    all.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn later(days: u32) -> SystemTime {
    SystemTime::now() + days * DAY
}

fn problem(dir: &Path, names: &Names) -> String {
    let error = Pki::ensure(dir, names).unwrap_err().to_string();
    assert!(!error.contains('\n'), "{error}");
    error.replace(&format!("{}/", std::path::absolute(dir).unwrap().display()), "")
}

#[test]
fn the_first_start_makes_all_and_later_ones_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("data/pki");
    let pki = Pki::ensure(&dir, &names()).unwrap();
    assert_eq!(pki.notes, [""; 0]);
    let first = contents(&dir);
    // Three CAs and twelve leaves, each with a key, and the pair of the service accounts.
    assert_eq!(first.len(), 32);
    for (path, _) in &first {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let expected = if path.extension().unwrap() == "key" { 0o600 } else { 0o644 };
        assert_eq!(mode, expected, "{}", path.display());
    }
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(Pki::ensure(&dir, &names()).unwrap().notes, [""; 0]);
    assert!(contents(&dir) == first, "a later start changed a file");
}

#[test]
fn subjects_and_names_are_those_kubernetes_reads() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::ensure(dir.path(), &names()).unwrap();
    for (name, subject) in [
        (CA, "CN=kubernetes"),
        (FRONT_PROXY_CA, "CN=front-proxy-ca"),
        (ADMIN, "O=system:masters, CN=kubernetes-super-admin"),
        (APISERVER, "CN=kube-apiserver"),
        (APISERVER_KUBELET_CLIENT, "O=kubeadm:cluster-admins, CN=kube-apiserver-kubelet-client"),
        (CONTROLLER_MANAGER, "CN=system:kube-controller-manager"),
        (ETCD_CA, "CN=etcd-ca"),
        (ETCD_SERVER, "CN=node-1"),
        (APISERVER_ETCD_CLIENT, "CN=kube-apiserver-etcd-client"),
        (DNS, "CN=system:serviceaccount:kube-system:kube-dns"),
        (FRONT_PROXY_CLIENT, "CN=front-proxy-client"),
        (KUBE_PROXY, "CN=system:kube-proxy"),
        (KUBELET, "O=system:nodes, CN=system:node:node-1"),
        (KUBELET_CLIENT, "O=system:nodes, CN=system:node:node-1"),
        (SCHEDULER, "CN=system:kube-scheduler"),
    ] {
        let certificate = parsed(&pki, name);
        assert_eq!(certificate.subject, subject);
        assert_eq!(certificate.is_ca, [CA, ETCD_CA, FRONT_PROXY_CA].contains(&name), "{name}");
    }
    let machine = ["127.0.0.1", "192.0.2.7", "2001:db8::7", "::1", "localhost", "node-1", "node-1.example.org"];
    assert_eq!(parsed(&pki, KUBELET).names, BTreeSet::from(machine.map(String::from)));
    let service = [
        "10.96.0.1",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let all: BTreeSet<String> = machine.iter().chain(&service).map(|name| (*name).to_owned()).collect();
    assert_eq!(parsed(&pki, APISERVER).names, all);
}

#[test]
fn the_first_address_of_a_range_is_given() {
    assert_eq!(first_service_ip("10.96.0.0/12").unwrap().to_string(), "10.96.0.1");
    assert_eq!(first_service_ip("10.0.0.77/16").unwrap().to_string(), "10.0.0.1");
    assert_eq!(first_service_ip("fd00:10:96::/112").unwrap().to_string(), "fd00:10:96::1");
    assert!(first_service_ip("10.0.0.0/32").is_err());
    assert!(first_service_ip("255.255.255.255/32").is_err());
    assert!(first_service_ip("ten").is_err());
}

#[test]
fn certificates_are_renewed_with_their_keys_and_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::ensure(dir.path(), &names()).unwrap();
    let key = fs::read(pki.key(APISERVER)).unwrap();
    let before = parsed(&pki, APISERVER);
    assert!(Pki::ensure_at(dir.path(), &names(), later(300)).unwrap().notes.is_empty());

    let renewed = Pki::ensure_at(dir.path(), &names(), later(310)).unwrap();
    assert_eq!(renewed.notes.len(), 12);
    assert!(renewed.notes[0].starts_with("renewed admin.crt: it would have expired on 20"), "{:?}", renewed.notes);
    assert!(parsed(&pki, APISERVER).not_after > before.not_after);
    assert_eq!(fs::read(pki.key(APISERVER)).unwrap(), key);

    // After a long sleep too.
    let renewed = Pki::ensure_at(dir.path(), &names(), later(1000)).unwrap();
    assert!(renewed.notes[0].starts_with("renewed admin.crt: it expired on 20"), "{:?}", renewed.notes);

    // Nothing outlives its CA, which is spoken of in time and then refused.
    let last = Pki::ensure_at(dir.path(), &names(), later(3600)).unwrap();
    assert!(last.notes[0].starts_with("ca.crt expires on 20"), "{:?}", last.notes);
    assert!(parsed(&pki, APISERVER).not_after <= parsed(&pki, CA).not_after);
    let again = Pki::ensure_at(dir.path(), &names(), later(3600)).unwrap();
    assert_eq!(again.notes.len(), 3, "only the CAs: {:?}", again.notes);
    let error = Pki::ensure_at(dir.path(), &names(), later(3651)).unwrap_err().to_string();
    assert!(error.contains("ca.crt: expired on 20"), "{error}");
}

#[test]
fn a_new_address_renews_what_serves_it() {
    let dir = tempfile::tempdir().unwrap();
    Pki::ensure(dir.path(), &names()).unwrap();
    let mut moved = names();
    moved.addresses.push("198.51.100.9".parse().unwrap());
    let pki = Pki::ensure(dir.path(), &moved).unwrap();
    assert_eq!(
        pki.notes,
        [
            "renewed apiserver.crt: it was not valid for 198.51.100.9",
            "renewed etcd/server.crt: it was not valid for 198.51.100.9",
            "renewed kubelet.crt: it was not valid for 198.51.100.9"
        ]
    );
    assert!(parsed(&pki, KUBELET).names.contains("198.51.100.9"));
    // A name that went away is no reason.
    assert!(Pki::ensure(dir.path(), &names()).unwrap().notes.is_empty());
}

#[test]
fn an_interrupted_first_start_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::ensure(dir.path(), &names()).unwrap();
    let key = fs::read(pki.key(SCHEDULER)).unwrap();
    fs::remove_file(pki.certificate(SCHEDULER)).unwrap();
    fs::remove_file(pki.service_account_public_key()).unwrap();
    let again = Pki::ensure(dir.path(), &names()).unwrap();
    assert_eq!(fs::read(again.key(SCHEDULER)).unwrap(), key);
    assert!(again.certificate(SCHEDULER).exists() && again.service_account_public_key().exists());
}

#[test]
fn what_does_not_fit_is_one_line_and_stays() {
    let other = tempfile::tempdir().unwrap();
    let other = Pki::ensure(other.path(), &names()).unwrap();
    let try_with = |spoil: &dyn Fn(&Pki), names: &Names| {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::ensure(dir.path(), &self::names()).unwrap();
        spoil(&pki);
        let before = contents(dir.path());
        let problem = problem(dir.path(), names);
        assert!(contents(dir.path()) == before, "{problem}: something was replaced");
        problem
    };
    let copy = |from: PathBuf, to: PathBuf| fs::copy(from, to).map(drop).unwrap();
    let remove = |path: PathBuf| fs::remove_file(path).unwrap();
    let same = names();

    let found = try_with(&|pki| copy(other.key(CA), pki.key(CA)), &same);
    assert_eq!(found, "ca.key: is not the key of ca.crt; restore the right one");
    let found = try_with(&|pki| remove(pki.certificate(CA)), &same);
    assert_eq!(found, "ca.crt: is missing, though admin.crt is there; restore it, or remove the directory");
    let found = try_with(
        &|pki| {
            copy(other.key(CA), pki.key(CA));
            copy(other.certificate(CA), pki.certificate(CA));
        },
        &same,
    );
    assert_eq!(found, "admin.crt: was not signed by ca.crt; restore the right ones, or remove it");
    let found = try_with(&|pki| copy(other.key(APISERVER), pki.key(APISERVER)), &same);
    assert_eq!(found, "apiserver.crt: does not fit apiserver.key; restore the right ones, or remove both");
    let found = try_with(&|pki| remove(pki.key(APISERVER)), &same);
    assert_eq!(found, "apiserver.key: is missing; restore it, or remove apiserver.crt to have both made anew");
    let found = try_with(&|pki| remove(pki.key(SERVICE_ACCOUNT)), &same);
    assert!(found.starts_with("sa.key: is missing, though sa.pub is there"), "{found}");
    let found = try_with(&|pki| copy(other.key(SERVICE_ACCOUNT), pki.key(SERVICE_ACCOUNT)), &same);
    assert_eq!(found, "sa.pub: is not the public key of sa.key; restore the right one");
    let found = try_with(&|pki| fs::write(pki.certificate(APISERVER), "rubbish").unwrap(), &same);
    assert!(found.starts_with("apiserver.crt: is no certificate in PEM"), "{found}");
    let found = try_with(&|pki| fs::write(pki.key(APISERVER), "rubbish").unwrap(), &same);
    assert!(found.starts_with("apiserver.key: is no private key in PEM"), "{found}");
    let found = try_with(&|_| (), &Names { node: "node-2".into(), ..names() });
    assert_eq!(found, "etcd/server.crt: is for \"CN=node-1\", not for \"CN=node-2\"; remove it to have it made anew");
    let found = try_with(&|_| (), &Names { hosts: vec!["\u{e4}".into()], ..names() });
    assert_eq!(found, "apiserver.crt: cannot be made for \"\u{e4}\", which is no host name");
}

#[test]
fn a_ca_without_its_key_serves_until_something_must_be_signed() {
    let dir = tempfile::tempdir().unwrap();
    let pki = Pki::ensure(dir.path(), &names()).unwrap();
    fs::remove_file(pki.key(CA)).unwrap();
    assert!(Pki::ensure(dir.path(), &names()).unwrap().notes.is_empty());
    fs::remove_file(pki.certificate(ADMIN)).unwrap();
    assert_eq!(problem(dir.path(), &names()), "admin.crt: has to be signed, but the key of the CA is not here");
}
