{{- /* Names that the operator and the gateway share; the operator is told the first part alone. */ -}}
{{- define "nereid.fullname" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "nereid.gatewayName" -}}
{{- printf "%s-gateway" (include "nereid.fullname" .) -}}
{{- end -}}

{{- define "nereid.xdsName" -}}
{{- printf "%s-xds" (include "nereid.fullname" .) -}}
{{- end -}}

{{- /* What the operator's certificate is made out to. */ -}}
{{- define "nereid.xdsHost" -}}
{{- printf "%s.%s.svc" (include "nereid.xdsName" .) .Release.Namespace -}}
{{- end -}}

{{- define "nereid.operatorHost" -}}
{{- printf "%s.%s.svc" (include "nereid.name" .) .Release.Namespace -}}
{{- end -}}

{{- /* XDS_PORT in the operator's render/ports.py. */ -}}
{{- define "nereid.xdsPort" -}}18000{{- end -}}

{{- /* Where Envoy listens: for clients, and for kubelet and Prometheus. */ -}}
{{- define "nereid.gatewayPort" -}}8080{{- end -}}
{{- define "nereid.gatewayStatusPort" -}}8081{{- end -}}

{{- define "nereid.gatewaySelectorLabels" -}}
app.kubernetes.io/name: nereid-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nereid.gatewayLabels" -}}
{{ include "nereid.gatewaySelectorLabels" . }}
{{ include "nereid.releaseLabels" . }}
{{- end -}}

{{- define "nereid.gatewayImage" -}}
{{- with .Values.gateway.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository .tag -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The Secret with the listener's certificate; empty where it listens without TLS. */ -}}
{{- define "nereid.gatewayTlsSecret" -}}
{{- $tls := .Values.gateway.tls -}}
{{- if and $tls.selfSigned $tls.secretName -}}
{{- fail "gateway.tls: selfSigned is true and secretName is set; it takes one of them" -}}
{{- end -}}
{{- if $tls.selfSigned -}}
{{- printf "%s-tls" (include "nereid.gatewayName" .) -}}
{{- else -}}
{{- $tls.secretName -}}
{{- end -}}
{{- end -}}

{{- /* The Service's port: the name and the number that clients of the scheme expect. */ -}}
{{- define "nereid.gatewayScheme" -}}
{{- if include "nereid.gatewayTlsSecret" . -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{- define "nereid.gatewayServicePort" -}}
{{- if eq (include "nereid.gatewayScheme" .) "https" -}}443{{- else -}}80{{- end -}}
{{- end -}}

{{- define "nereid.gatewayBootstrap" -}}
{{- range $name := list "envoy.yaml" "client.yaml" "authority.yaml" }}
{{ $name }}: |
  {{- tpl ($.Files.Get (printf "files/%s" $name)) $ | trim | nindent 2 }}
{{- end }}
{{- end -}}
