"""The request bodies of the API, a module for each route; pure.

`body` reads the JSON and says what is wrong with it, `fields` has the types that several bodies share, `generation`
what chat and text completions share. Fields that change an answer and are not served are absent, or here with the
values that leave it as it is, so that all else is refused by name; fields that only describe the client are ignored.
docs/openai.md lists every field.
"""
