#!/usr/bin/env bash
# build.sh: a Kubernetes control plane, kwok, KEDA and what runs in the pods, from their Go modules, into
# .cache/k8s/bin. What is there stays: the first time takes about half an hour and 5 GB, later ones a minute.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
bin=$root/.cache/k8s/bin
mkdir -p "$bin"

say() { echo "k8s: $*" >&2; }

# have NAME VERSION: was it built in this version?
have() { [[ -x $bin/$1 && $(cat "$bin/$1.version" 2>/dev/null) == "$2" ]]; }

# built NAME VERSION PACKAGE [MODFILE]: builds PACKAGE, in a module of its own that begins as MODFILE.
built() {
  local name=$1 version=$2 package=$3 modfile=${4:-} dir
  if have "$name" "$version"; then return; fi
  say "building $name $version"
  dir=$root/.cache/k8s/build/$name
  rm -rf "$dir" && mkdir -p "$dir"
  (
    cd "$dir"
    export GOFLAGS=-mod=mod
    if [[ -n $modfile ]]; then
      cp "$modfile" go.mod
    else
      go mod init scanhound.test/"$name"
      go get "$package@$version"
    fi
    go build -trimpath -ldflags='-s -w' -o "$bin/$name" "$package"
  )
  echo "$version" >"$bin/$name.version"
}

kubernetes=v1.36.3 keda=v2.21.0
for program in kube-apiserver kube-controller-manager kube-scheduler kubectl; do
  built $program $kubernetes k8s.io/kubernetes/cmd/$program "$here/kubernetes.mod"
done
built etcd v3.7.3 go.etcd.io/etcd/server/v3
built kwok v0.8.0 sigs.k8s.io/kwok/cmd/kwok
built keda-operator $keda github.com/kedacore/keda/v2/cmd/operator "$here/keda.mod"
built keda-adapter $keda github.com/kedacore/keda/v2/cmd/adapter "$here/keda.mod"

say "building ours"
cd "$root"
CGO_ENABLED=0 go build -trimpath -o "$bin/" ./cmd/ingest ./cmd/detector ./cmd/alerter ./cmd/scanhound
go build -o "$bin/nats-server" github.com/nats-io/nats-server/v2
# module NAME VERSION: where its files are.
module() {
  (cd "$root/.cache/k8s" && GOFLAGS=-mod=mod go mod download -json "$1@$2" | sed -n 's/.*"Dir": "\(.*\)",/\1/p')
}

# The CRDs of KEDA and of the Prometheus Operator, and what kwok's nodes and pods do, are in their modules.
crds=$root/.cache/k8s/crds
rm -rf "$crds" && mkdir -p "$crds"
cp "$(module github.com/kedacore/keda/v2 $keda)"/config/crd/bases/*.yaml "$crds/"
cp "$(module github.com/prometheus-operator/prometheus-operator v0.85.0)"/example/prometheus-operator-crd/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml "$crds/"
# Those of Strimzi and NACK are in no Go module: they are used where SCANHOUND_CRDS names a folder.
if [[ -n ${SCANHOUND_CRDS:-} ]]; then cp "$SCANHOUND_CRDS"/*.y*ml "$crds/"; fi
chmod -R u+w "$crds"
stages=$(module sigs.k8s.io/kwok v0.8.0)/kustomize/stage
for stage in node/fast/node-initialize node/heartbeat/node-heartbeat pod/fast/pod-{ready,complete,delete}; do
  echo ---
  cat "$stages/$stage.yaml"
done >"$root/.cache/k8s/stages.yaml"
