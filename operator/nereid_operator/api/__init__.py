"""The custom resource: its types, schema, validation, conditions and the names written on its children."""
