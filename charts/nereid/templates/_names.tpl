{{- define "nereid.name" -}}
{{- printf "%s-operator" .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* The ClusterRole is not namespaced: two releases of one name must not share it. */ -}}
{{- define "nereid.clusterName" -}}
{{- printf "%s-%s-operator" .Release.Namespace .Release.Name -}}
{{- end -}}

{{- define "nereid.selectorLabels" -}}
app.kubernetes.io/name: nereid-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nereid.labels" -}}
{{ include "nereid.selectorLabels" . }}
{{ include "nereid.releaseLabels" . }}
{{- end -}}

{{- define "nereid.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nereid
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* On every pod of the chart: the NetworkPolicies of models let such pods reach every port. */ -}}
{{- define "nereid.systemLabel" -}}
nereid.dev/system: "true"
{{- end -}}

{{- /* A digest, where one is set, says more than the tag: it is what is pulled. */ -}}
{{- define "nereid.image" -}}
{{- $image := .root.Values.image -}}
{{- if .digest -}}
{{- printf "%s/%s@%s" $image.registry .name .digest -}}
{{- else -}}
{{- printf "%s/%s:%s" $image.registry .name (default .root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}
