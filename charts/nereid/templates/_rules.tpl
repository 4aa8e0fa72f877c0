{{- /*
What the operator may do, each verb because it does it: tests/e2e/test_rights.py compares these rules with the API
server's audit log. A server-side apply that creates needs `create` beside `patch`.
*/ -}}

{{- /* In a model's namespace: given everywhere by a ClusterRole, or in each watched namespace by a Role. */ -}}
{{- define "nereid.modelRules" -}}
- apiGroups: [nereid.dev]
  resources: [modeldeployments]
  verbs: [list, watch]
- apiGroups: [nereid.dev]
  resources: [modeldeployments/status]
  verbs: [patch]
- apiGroups: [nereid.dev]
  resources: [modeldeployments/finalizers] # owner references that block deletion
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [deployments/scale]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps] # those of its own label are watched; RBAC cannot say so
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [secrets] # for the type of one that a model names; the data is never asked for
  verbs: [get]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  {{- if .Values.networkPolicy.enabled }}
  verbs: [get, list, watch, create, patch, delete]
  {{- else }}
  verbs: [list, watch, delete]
  {{- end }}
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create] # lists those of a resolve Job that has no pod
{{- end -}}
