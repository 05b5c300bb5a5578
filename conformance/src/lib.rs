//! Black-box tests and benchmarks for any cluster named by KUBECONFIG.
