// Package kube asks the API server of a Kubernetes about a run's pods.
//
// In: where the API server is and with which credentials ([Config]: Spark's own settings, a
// kubeconfig, or a pod's service account), and a label that the run's pods carry. Out: the pods
// as they change ([Client.Watch]), what one of them waits for or died of in the cluster's own
// words ([Pod.Waiting], [Pod.Death]), its log, and its deletion. A refusal of the API server is
// a [StatusError].
//
// It knows no run, no job file and no Spark but for the names of Spark's settings. It does not
// import Kubernetes' client library, which would make tfos larger by a third: a few requests by
// net/http do.
//
// Terms: a context is a kubeconfig's cluster, user and namespace. A credential plugin is a
// program that a kubeconfig names and that prints a token (`exec`).
package kube
