"""Examples of request bodies, for the API description."""

SOURCE_OF_EXAMPLE = "the-id-of-a-source"  # `endpoint.py` puts the id of an existing source in its place
CALL = {
    "source": {"id": SOURCE_OF_EXAMPLE},
    "session": {"id": "my-session"},
    "events": [{"type": "page-view", "properties": {"page": "home"}}],
}
SOURCE = {
    "name": "My shop",
    "description": "",
    "enabled": True,
    "consent": False,
    "returns_profile": False,
    "permanent_profile_id": False,
    "origins": ["https://shop.example"],
    "rate_limit": 500,
    "tags": ["shop"],
}
SOURCE_CHANGES = {"rate_limit": 100}
