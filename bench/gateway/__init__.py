"""The benchmark of the gateway: what it adds to a request, what it holds at, and how soon a change is in force.

h2load ──► Envoy with the chart's bootstrap, told by the operator's control plane ──► an Envoy that answers by itself
       ──► Envoy with one route, the baseline                                     ──►
       ──► directly                                                               ──►
"""
