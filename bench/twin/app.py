"""Tandem's twin: the same few routes, as one would write them with FastAPI,
SQLAlchemy (async), asyncpg and pgvector. One worker. Measured beside Tandem by
`make bench`, on the same Postgres, with the same rows and the same scripted
model server.

As in Tandem, a request carries a JWT and its user is read from the database.
Environment: TWIN_DATABASE_URL, TWIN_SOCKET_DIR, TWIN_SECRET, TWIN_PROVIDER.
"""

import datetime
import json
import os
import uuid
from typing import Annotated

import httpx
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pgvector.sqlalchemy import Vector
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

SECRET = os.environ["TWIN_SECRET"]
PROVIDER = os.environ["TWIN_PROVIDER"]

engine = create_async_engine(
    os.environ["TWIN_DATABASE_URL"],
    pool_size=30,
    max_overflow=0,
    connect_args={
        "host": os.environ["TWIN_SOCKET_DIR"],
        "server_settings": {"hnsw.ef_search": os.environ["TWIN_EF_SEARCH"], "application_name": "twin"},
    },
)
Session = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()
model = httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=1200, max_keepalive_connections=200))


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    is_active: Mapped[bool]


class Passage(Base):
    __tablename__ = "passages"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[uuid.UUID]
    source_id: Mapped[uuid.UUID]
    external_id: Mapped[str]
    title: Mapped[str]
    content: Mapped[str]
    meta: Mapped[dict] = mapped_column("metadata", JSONB)
    embedding: Mapped[list[float]] = mapped_column(Vector(384))


class Conversation(Base):
    __tablename__ = "conversations"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("users.id"))


class Message(Base):
    __tablename__ = "messages"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    conversation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("conversations.id"))
    role: Mapped[str]
    content: Mapped[str]
    created_at: Mapped[datetime.datetime] = mapped_column(server_default=func.now())


class SearchRequest(BaseModel):
    embedding: list[float] = Field(min_length=384, max_length=384)
    limit: int = Field(10, ge=1, le=200)


class Hit(BaseModel):
    document_id: uuid.UUID
    source_id: uuid.UUID
    external_id: str
    title: str
    content: str
    similarity: float
    metadata: dict


class SearchResult(BaseModel):
    hits: list[Hit]


class MessageView(BaseModel):
    id: uuid.UUID
    role: str
    content: str
    created_at: datetime.datetime


class NewMessage(BaseModel):
    conversation_id: uuid.UUID
    content: str = Field(max_length=32000)


class SendRequest(BaseModel):
    text: str = Field(max_length=32000)


async def session():
    async with Session() as opened:
        yield opened


Db = Annotated[AsyncSession, Depends(session)]


async def current_user(db: Db, authorization: Annotated[str, Header()]) -> User:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"], audience="twin")
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    user = await db.get(User, uuid.UUID(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(401)
    return user


Me = Annotated[User, Depends(current_user)]


@app.get("/health")
async def health():
    return {"status": "ok"}


@app.post("/search")
async def search(request: SearchRequest, user: Me, db: Db) -> SearchResult:
    distance = Passage.embedding.cosine_distance(request.embedding)
    columns = (Passage.id, Passage.source_id, Passage.external_id, Passage.title, Passage.content, Passage.meta)
    statement = (
        select(*columns, distance.label("distance"))
        .where(Passage.owner_id == user.id)
        .order_by(distance)
        .limit(request.limit)
    )
    return SearchResult(
        hits=[
            Hit(
                document_id=row.id,
                source_id=row.source_id,
                external_id=row.external_id,
                title=row.title,
                content=row.content,
                similarity=1 - row.distance,
                metadata=row.meta,
            )
            for row in await db.execute(statement)
        ]
    )


@app.post("/messages", status_code=201)
async def insert(request: NewMessage, user: Me, db: Db) -> MessageView:
    conversation = await db.get(Conversation, request.conversation_id)
    if conversation is None or conversation.user_id != user.id:
        raise HTTPException(404)
    message = Message(conversation_id=conversation.id, role="user", content=request.content)
    db.add(message)
    await db.commit()
    return MessageView(id=message.id, role=message.role, content=message.content, created_at=message.created_at)


@app.get("/conversations/{conversation_id}/messages")
async def messages(conversation_id: uuid.UUID, user: Me, db: Db) -> list[MessageView]:
    statement = (
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Conversation.user_id == user.id, Conversation.id == conversation_id)
        .order_by(Message.created_at)
        .limit(50)
    )
    return [
        MessageView(id=row.id, role=row.role, content=row.content, created_at=row.created_at)
        for row in await db.scalars(statement)
    ]


def event(name, data):
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


@app.post("/send")
async def send(request: SendRequest, user: Me, db: Db) -> StreamingResponse:
    """A turn: the question is stored, the answer relayed as it comes, then stored. No retrieval, no resume."""
    conversation = Conversation(user_id=user.id)
    db.add(conversation)
    await db.flush()
    db.add(Message(conversation_id=conversation.id, role="user", content=request.text))
    await db.commit()

    async def relay():
        text = []
        body = {"model": "scripted", "stream": True, "messages": [{"role": "user", "content": request.text}]}
        yield event("start", {"conversation_id": str(conversation.id)})
        async with model.stream("POST", f"{PROVIDER}/v1/chat/completions", json=body) as answer:
            async for line in answer.aiter_lines():
                if not line.startswith("data: ") or line == "data: [DONE]":
                    continue
                choices = json.loads(line[6:])["choices"]
                delta = choices[0]["delta"].get("content") if choices else None
                if delta:
                    text.append(delta)
                    yield event("token", {"delta": delta})
        async with Session() as own:
            own.add(Message(conversation_id=conversation.id, role="assistant", content="".join(text)))
            await own.commit()
        yield event("done", {"content": "".join(text)})

    return StreamingResponse(relay(), media_type="text/event-stream")
