//! Real connections through real rules, between network namespaces of the test's own: a node, two pods, a client
//! outside. Needs root, `ip` and `nft`; elsewhere it says so and passes.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    process::{Command, Stdio},
    time::Duration,
};

use node_agent_proxy::{
    model::{Endpoint, Family, NodeView, Service, ServiceKey, ServicePort, Slice, SlicePort, State},
    plan::{Config, NodePortAddresses, plan},
    table::{CHAIN_GRACE, Sync, Table},
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const NODE_IP: &str = "192.168.77.1";
const CLIENT_IP: &str = "192.168.77.2";
const PODS: [&str; 2] = ["10.180.1.2", "10.180.2.2"];

/// Four namespaces, deleted with the value.
struct World {
    prefix: String,
}

impl World {
    fn new() -> Option<Self> {
        let world = World { prefix: format!("kyp-{}", std::process::id()) };
        let tool =
            |name: &str, arg: &str| Command::new(name).arg(arg).output().is_ok_and(|output| output.status.success());
        if !tool("ip", "-V") || !tool("nft", "-v") || !ip(&format!("netns add {}", world.node())) {
            eprintln!("skipped: needs root, ip and nft");
            return None;
        }
        for name in [world.client(), world.pod(0), world.pod(1)] {
            assert!(ip(&format!("netns add {name}")));
        }
        for namespace in [world.node(), world.client(), world.pod(0), world.pod(1)] {
            assert!(ip(&format!("-n {namespace} link set lo up")));
        }
        world.connect(&world.client(), "client", NODE_IP, CLIENT_IP);
        world.connect(&world.pod(0), "pod0", "10.180.1.1", PODS[0]);
        world.connect(&world.pod(1), "pod1", "10.180.2.1", PODS[1]);
        // Without a route to anywhere, the node's own packets to cluster IPs would not reach the rules.
        for command in [
            "link add away type veth peer name beyond",
            "link set away up",
            "link set beyond up",
            "route add default dev away",
        ] {
            assert!(ip(&format!("-n {} {command}", world.node())));
        }
        let forwarding = || std::fs::write("/proc/sys/net/ipv4/ip_forward", "1");
        world.within(&world.node(), forwarding).expect("forwarding");
        Some(world)
    }

    fn node(&self) -> String {
        self.prefix.clone()
    }

    fn client(&self) -> String {
        format!("{}-c", self.prefix)
    }

    fn pod(&self, number: usize) -> String {
        format!("{}-p{number}", self.prefix)
    }

    /// A cable between the node and a namespace, which gets its default route over it.
    fn connect(&self, namespace: &str, device: &str, node_ip: &str, ip_there: &str) {
        let node = self.node();
        for command in [
            format!("-n {node} link add {device} type veth peer name eth0 netns {namespace}"),
            format!("-n {node} addr add {node_ip}/24 dev {device}"),
            format!("-n {node} link set {device} up"),
            format!("-n {namespace} addr add {ip_there}/24 dev eth0"),
            format!("-n {namespace} link set eth0 up"),
            format!("-n {namespace} route add default via {node_ip}"),
        ] {
            assert!(ip(&command), "{command}");
        }
    }

    /// Runs something in a namespace, in a thread of its own. Processes it starts are there, too.
    fn within<T: Send>(&self, namespace: &str, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace");
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).expect("to enter it");
                work()
            });
            thread.join().expect("no panic")
        })
    }

    /// Runs a future in the node's namespace.
    fn on_node<T: Send>(&self, work: impl AsyncFnOnce() -> T + Send) -> T {
        self.within(&self.node(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(work())
        })
    }

    /// What the server says, over TCP: its own address, and the client's as it sees it.
    fn ask(&self, namespace: &str, to: &str) -> std::io::Result<(String, String)> {
        let to: SocketAddr = to.parse().expect("an address");
        self.within(namespace, || {
            let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let (server, client) = answer.split_once(' ').expect("two words");
            Ok((server.to_string(), client.to_string()))
        })
    }

    /// The servers that answer twenty questions.
    fn servers(&self, namespace: &str, to: &str) -> BTreeSet<String> {
        (0..20).map(|_| self.ask(namespace, to).expect("an answer").0).collect()
    }

    fn serve(&self) {
        for (number, ip) in PODS.into_iter().enumerate() {
            let (tcp, udp) = self.within(&self.pod(number), || {
                (TcpListener::bind((ip, 8080)).expect("to listen"), UdpSocket::bind((ip, 8053)).expect("to listen"))
            });
            std::thread::spawn(move || {
                for stream in tcp.incoming() {
                    let mut stream = stream.expect("a stream");
                    let peer = stream.peer_addr().expect("a peer").ip();
                    let _ = write!(stream, "{ip} {peer}");
                }
            });
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while let Ok((_, from)) = udp.recv_from(&mut buffer) {
                    let _ = udp.send_to(ip.as_bytes(), from);
                }
            });
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for namespace in [self.client(), self.pod(0), self.pod(1), self.node()] {
            ip(&format!("netns delete {namespace}"));
        }
    }
}

fn ip(arguments: &str) -> bool {
    let output = Command::new("ip").args(arguments.split(' ')).stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}

fn all_pods() -> BTreeSet<String> {
    PODS.iter().map(|ip| ip.to_string()).collect()
}

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "ns".into(), name: name.into() }
}

fn service(cluster_ip: &str, protocol: &str, port: u16, node_port: u16) -> Service {
    Service {
        cluster_ips: vec![cluster_ip.parse().expect("an address")],
        ports: vec![ServicePort { name: "p".into(), protocol: protocol.into(), port, node_port }],
        ..Service::default()
    }
}

fn slice(protocol: &str, port: u16, pods: &[&str]) -> Slice {
    let endpoint = |ip: &&str| Endpoint {
        ip: ip.parse().expect("an address"),
        ready: true,
        serving: true,
        terminating: false,
        node: "node".into(),
        zone_hints: BTreeSet::new(),
        node_hints: BTreeSet::new(),
    };
    Slice {
        ports: vec![SlicePort { name: "p".into(), protocol: protocol.into(), port }],
        endpoints: pods.iter().map(endpoint).collect(),
    }
}

fn cluster() -> State {
    let mut state = State::default();
    let sticky = Service { affinity: Some(60), ..service("172.30.0.2", "tcp", 80, 0) };
    let local = Service { external_local: true, ..service("172.30.0.4", "tcp", 80, 30081) };
    let guarded = Service {
        load_balancer_ips: vec!["172.31.0.1".parse().expect("an address")],
        source_ranges: vec!["10.0.0.0/8".parse().expect("a range")],
        ..service("172.30.0.6", "tcp", 80, 0)
    };
    for (name, service) in [
        ("web", service("172.30.0.1", "tcp", 80, 30080)),
        ("sticky", sticky),
        ("empty", service("172.30.0.3", "tcp", 80, 30082)),
        ("local", local),
        ("dns", service("172.30.0.5", "udp", 53, 0)),
        ("guarded", guarded),
    ] {
        state.services.insert(key(name), service);
    }
    for name in ["web", "sticky", "local", "guarded"] {
        state.set_slice(key(name), "s".into(), slice("tcp", 8080, &PODS));
    }
    state.set_slice(key("dns"), "s".into(), slice("udp", 8053, &PODS));
    state
}

fn config() -> Config {
    Config {
        masquerade_mark: 0x4000,
        masquerade_all: false,
        cluster_cidrs: vec!["10.180.0.0/16".parse().expect("a range")],
        node_port_addresses: NodePortAddresses::Primary,
    }
}

fn node() -> NodeView {
    NodeView { name: "node".into(), ips: vec![NODE_IP.parse().expect("an address")], ..NodeView::default() }
}

/// Programs a state; how it was done.
fn program(world: &World, table: &mut Table, state: &State) -> Sync {
    let rules = plan(state, &node(), &config(), Family::V4).rules;
    let ips: Vec<IpAddr> = node().ips;
    world.on_node(async || table.sync(&rules, &config(), &ips).await).unwrap_or_else(|error| panic!("{error:#}"))
}

fn tables(world: &World) -> String {
    let list = || Command::new("nft").args(["list", "ruleset"]).output().expect("nft");
    String::from_utf8_lossy(&world.within(&world.node(), list).stdout).into_owned()
}

#[test]
fn through_every_door() {
    let Some(world) = World::new() else { return };
    world.serve();
    let foreign = || {
        let add = "table ip foreign {\n chain c {\n }\n}\ntable ip6 kube-proxy2 {\n}\n";
        let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft");
        nft.stdin.take().expect("its input").write_all(add.as_bytes()).expect("to write");
        assert!(nft.wait().expect("nft").success());
    };
    world.within(&world.node(), foreign);
    let mut table = Table::new(Family::V4);
    let mut state = cluster();
    assert_eq!(program(&world, &mut table, &state), Sync::Full);
    assert_eq!(program(&world, &mut table, &state), Sync::Nothing);

    // Cluster IPs: from a pod (also to itself), from the node, and routed from outside.
    for namespace in [world.pod(0), world.pod(1), world.node(), world.client()] {
        assert_eq!(world.servers(&namespace, "172.30.0.1:80"), all_pods(), "from {namespace}");
    }
    // Pods are seen as they are, others as the node.
    let (server, seen) = world.ask(&world.pod(0), "172.30.0.1:80").expect("an answer");
    let itself = server == PODS[0];
    assert_eq!(seen, if itself { "10.180.1.1" } else { PODS[0] });
    // Node ports, at the node's primary address only.
    for namespace in [world.client(), world.pod(0), world.node()] {
        assert_eq!(world.servers(&namespace, &format!("{NODE_IP}:30080")), all_pods(), "from {namespace}");
    }
    assert!(world.ask(&world.pod(0), "10.180.1.1:30080").is_err());
    let (_, seen) = world.ask(&world.client(), &format!("{NODE_IP}:30081")).expect("an answer");
    assert_eq!(seen, CLIENT_IP, "the policy Local keeps the source");
    // Stickiness.
    assert_eq!(world.servers(&world.client(), "172.30.0.2:80").len(), 1);
    // Refusals come at once.
    for address in ["172.30.0.3:80".to_string(), "172.30.0.1:81".into(), format!("{NODE_IP}:30082")] {
        let refused = world.ask(&world.client(), &address).expect_err("nobody answers");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{address}");
    }
    // Source ranges of load balancers.
    assert_eq!(world.servers(&world.pod(0), "172.31.0.1:80"), all_pods());
    assert_eq!(world.ask(&world.client(), "172.31.0.1:80").expect_err("dropped").kind(), ErrorKind::TimedOut);

    // One endpoint less: only what changed is written, and nobody is sent there.
    state.set_slice(key("web"), "s".into(), slice("tcp", 8080, &PODS[..1]));
    state.set_slice(key("sticky"), "s".into(), slice("tcp", 8080, &PODS[..1]));
    assert_eq!(program(&world, &mut table, &state), Sync::Partial);
    assert_eq!(world.servers(&world.client(), "172.30.0.1:80"), BTreeSet::from([PODS[0].to_string()]));
    assert!(table.has_stale_chains());
    world.on_node(async || {
        tokio::time::sleep(CHAIN_GRACE + Duration::from_millis(50)).await;
        table.delete_stale_chains().await;
    });
    assert!(!table.has_stale_chains() && !tables(&world).contains("__10.180.2.2/8080"));

    // UDP: a client that keeps its port is moved off an endpoint that is gone.
    udp_moves(&world, &mut table, &mut state);

    // Someone else deletes a chain's rules or the table: noticed, and written anew.
    world.on_node(async || {
        node_agent_proxy::nft::run("delete table ip kube-proxy\n").await.expect("nft");
        table.check().await;
    });
    assert_eq!(program(&world, &mut table, &state), Sync::Full);
    assert_eq!(world.servers(&world.client(), "172.30.0.1:80").len(), 1);
    // A new process takes over what is there, and cleans up what is not wanted.
    state.services.remove(&key("guarded"));
    let mut successor = Table::new(Family::V4);
    assert_eq!(program(&world, &mut successor, &state), Sync::Full);
    assert!(successor.has_stale_chains());
    assert!(!tables(&world).contains("172.31.0.1"));

    world.on_node(async || node_agent_proxy::cleanup().await).expect("to clean up");
    let left = tables(&world);
    assert!(
        left.contains("table ip foreign") && left.contains("kube-proxy2") && !left.contains("kube-proxy {"),
        "{left}"
    );
}

fn udp_moves(world: &World, table: &mut Table, state: &mut State) {
    let socket = world.within(&world.client(), || UdpSocket::bind((CLIENT_IP, 0)).expect("a socket"));
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let ask = || {
        let mut buffer = [0; 64];
        socket.send_to(b"?", "172.30.0.5:53").expect("to send");
        let read = socket.recv(&mut buffer).expect("an answer");
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    };
    let first = ask();
    assert_eq!(ask(), first);
    let other: Vec<&str> = PODS.into_iter().filter(|ip| *ip != first).collect();
    state.set_slice(key("dns"), "s".into(), slice("udp", 8053, &other));
    assert_eq!(program(world, table, state), Sync::Partial);
    let udp = plan(state, &node(), &config(), Family::V4).udp;
    let cleaned = world.on_node(async || {
        if !node_agent_proxy::conntrack::is_available().await {
            return None;
        }
        Some(node_agent_proxy::conntrack::clean(&udp, Family::V4).await)
    });
    match cleaned {
        None => eprintln!("skipped: no conntrack tool"),
        Some(cleaned) => {
            assert_eq!(cleaned.unwrap_or_else(|error| panic!("{error:#}")), 1);
            assert_eq!(ask(), other[0]);
        }
    }
}
