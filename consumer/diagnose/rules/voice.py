"""Rules for speech and audio that were not made, are not there, or cannot be read."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import NOW, PERSON, REPAIR, UNKNOWN, VOICE

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "voice.word",
        2.5,
        VOICE,
        says="voice; voices; audio; audios",
        example="What became of the audio",
    ),
    rule(
        "voice.everyday",
        3.0,
        VOICE,
        says="""
            spoken; ogg; opus; pcm; sample rate; sampling rate; codec; transcription; transcript;
            transcriptions; whisper; speaker; podcast; jingle; subtitle; pronunciation; kokoro; piper;
            polly; rime; hume; bark; aura; riva; synthesizer; synthesiser; wma; aiff; utterance;
            utterances; vocals; intonation; announcer; gender of the speaker; container wma|ogg|webm
        """,
        example="The podcast is not there",
    ),
    rule(
        "voice.noun",
        3,
        VOICE,
        says="""
            narration; narrator; voiceover; voice over; speech; vocoder; ssml; phoneme; phonemes; wav; mp3; mp
            3; m4a; flac; ffmpeg; transcribe; transcribing; asr; stt; dubbing; lip sync; soundtrack; mp3float;
            aac; audio track; sound file
        """,
        example="The narration is not there",
    ),
    rule(
        "voice.maker",
        4.5,
        VOICE,
        says="""
            tts; text to speech|speach; speech synthesis|synthesizer|engine|generation|service;
            synthesize|synthesizing|synthesise; synthesis failed|error; generating speech; espeak; eleven labs
            error; xtts; coqui; edge tts; wellsaid; speech to text; speech recognition; synthesize speech;
            voice generation|clone|cloning|synthesis|id|settings|model; clone|cloning voice; cosy voice;
            cosyvoice; gtts; tacotron; fish audio; voicevox
        """,
        example="Voicevox said no",
    ),
    rule(
        "voice.parameter",
        8,
        VOICE,
        REPAIR,
        says="""
            voice * not found|exist|available|supported; invalid|unknown|unsupported voice|ssml|speaker|language; ssml
            tag|element|markup; prosody|phoneme tag; language|accent|emotion|style * voice|speaker|model; ssml
            is|was|document? invalid|malformed|not|rejected; malformed|broken ssml; text|input length|too|is *
            exceeded|long; maximum text length; too many|the characters|character; character limit; unsupported
            audio|sample|format|file; invalid file format; supported formats; maximum amount of custom voices; not
            standard
        """,
        codes="""
            voice_not_found max_character_limit_exceeded voice_limit_reached InvalidSsmlException invalid_voice_id
            TextLengthExceededException invalid_voice_settings text_too_long VoiceNotFound
            SsmlMarksNotSupportedForTextType InvalidSampleRateException LexiconNotFoundException
            EngineNotSupportedException LanguageNotSupportedException unsupported_audio_format audio_too_short
            audio_too_long invalid_audio invalid_model_id UnsupportedLanguage can_not_use_instant_voice_cloning
            voice_not_fine_tuned InvalidS3BucketException model_can_not_do_text_to_speech
        """,
        example="Unknown speaker 8",
    ),
    rule(
        "voice.blocked",
        9,
        VOICE,
        PERSON,
        says="unusual activity",
        example="Blocked for unusual activity",
    ),
    rule(
        "voice.silent",
        6,
        VOICE,
        NOW,
        says="""
            0|zero byte|bytes audio|wav|mp3; no audio * received|generated|returned|produced|output|data; no audio;
            audio|wav|mp3|speech|voice|narration is|was|are|has|were * empty|silent|silence|blank|missing;
            empty|silent|blank audio|wav|mp3|sound|speech|voice; audio|wav|mp3|sound|speech * length|duration|size of?
            0|zero; audio duration; below silence; only silence|noise; no sound; no wav|mp3; clipping;
            audio|wav|mp3|speech|voice|narration is|was|gets|got|ends|stops|stopped|breaks?
            cut|truncated|incomplete|halfway|midway|early|abruptly; audio|wav|mp3|speech * 0|zero
            bytes|byte|seconds|second; nothing but silence; returned|returns|gave|gives|delivered|contains silence;
            track|narration|recording|voice|speech|audio ends|ended|stops|stopped|breaks after|at|before; rms * dbfs
        """,
        example="The engine gave only silence",
    ),
    rule(
        "voice.nothing",
        0,
        VOICE,
        NOW,
        firmly=6,
        bound=True,
        says="""
            size of 0; 0|zero byte|bytes; length|duration|size of? 0|zero; 0|zero seconds|second; returned|returns|got
            nothing; files|file|output|result is|was|are|were empty|blank|missing; empty|blank
            files|file|output|result|response; returning|returns|returned empty
        """,
        example="The narration has a length of 0",
    ),
    rule(
        "voice.decode",
        5,
        VOICE,
        REPAIR,
        says="""
            submitting packet to decoder; packet to decoder; header missing; invalid data found; open decode file;
            could not open|decode * file|decode; failed to load|decode|open audio; could not write header; codec
            parameters; error while decoding stream; muxing; moov atom; corrupt audio; audio *
            corrupt|corrupted|damaged|truncated; ffmpeg error|failed|exited; decoder failed
        """,
        codes="CouldntDecodeError LibsndfileError NoBackendError PydubException AudioDecodeError",
        example="moov atom not to be seen",
    ),
    rule(
        "voice.device",
        8,
        UNKNOWN,
        PERSON,
        says="""
            input|output|audio|recording|playback|default device|devices; portaudio; port audio;
            microphone|mic|speakers|headset|bluetooth; alsa; pulseaudio; coreaudio; audio
            driver|interface|card|hardware; sound card; voicemail; voice mail; voice call|calls|channel|chat;
            active|passive voice; voice of customer; audio conference|bridge|jack
        """,
        example="The audio driver crashed",
    ),
)
