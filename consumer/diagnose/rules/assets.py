"""Rules for images that were not made, are not there, or cannot be read."""

from typing import Final

from consumer.diagnose.rule import Rule, rule
from consumer.diagnose.rules.names import IMAGE, NOW, PERSON, REPAIR, UNKNOWN

RULES: Final[tuple[Rule, ...]] = (
    rule(
        "image.word",
        2.6,
        IMAGE,
        says="image; images",
        example="Where is the image",
    ),
    rule(
        "image.everyday",
        2.6,
        IMAGE,
        says="""
            avatar; illustration; banner; portrait; hero; poster; wallpaper; sprite; screenshot; gif;
            svg; tiff; imgs; img; logo; stability; flux; firefly; leonardo; unet; vae; lora; lo ra;
            upscaler; upscaling; drawing model; watermark; collage; diffusion pipeline|model|step|steps;
            stable diffusion
        """,
        example="Only a poster is left",
    ),
    rule(
        "image.noun",
        2,
        IMAGE,
        says="""
            picture; pictures; photo; photos; thumbnail; thumbnails; artwork; placeholder png|jpg|image; png;
            jpg; jpeg; webp; heic
        """,
        example="Only a thumbnail is left",
    ),
    rule(
        "image.generation",
        5,
        IMAGE,
        says="""
            image|images|picture|pictures|thumbnail|photo|avatar|illustration|artwork|img|cover|poster|banner
            generation|creation|generator|gen|rendering|synthesis|pipeline;
            generate|generating|generated|create|creating|produce|render|rendering|draw|drawing|imagine|inpaint|upscale
            an|a|the|any|your|your?
            image|images|picture|pictures|thumbnail|thumbnails|avatar|illustration|artwork|cover|poster; text to
            image; image edit|edits|variation; no image|images|picture|thumbnail;
            image|images|picture|thumbnail|photo|avatar|cover|banner|poster * not
            generated|created|returned|found|loaded|available|rendered|produced; without image|images|picture;
            missing image|images|picture|thumbnail|photo|avatar;
            image|images|thumbnail|picture|pictures|photo|avatar is|are|was? missing|absent;
            failed|unable|fails|couldnt|cannot|cant to? generate|create|render|draw|make *
            image|images|thumbnail|picture|photo|avatar; black|blank|null|empty|grey|gray
            image|images|picture|cover|frame|thumbnail; image|images|picture|cover|thumbnail|render * all
            black|blank|grey|white; grey|gray|black|blank box|square|rectangle; image response; image data; image
            url; image|images|thumbnail is|are|was|were null|empty|missing|blank|black
        """,
        example="Could not generate the cover",
    ),
    rule(
        "image.maker",
        4,
        IMAGE,
        says="""
            dalle; imagine; imagen; sdxl; inpainting; outpainting; inpaint mask; txt2img; txt 2 img; img 2 img;
            img2img; invoke ai; gpt image; diffusers; control net; controlnet; nano banana
        """,
        example="Dalle did nothing",
    ),
    rule(
        "image.unreadable",
        6,
        IMAGE,
        REPAIR,
        says="""
            cannot|cant|could|unable not? identify image; cannot|unable to? identify image; unidentified image;
            image file is truncated; truncated image; corrupt|corrupted|damaged image|png|jpeg|jpg|picture;
            decompression bomb; broken data stream; broken png|jpeg|stream; not a png|jpeg; premature end of jpeg;
            image file * truncated; bytes not processed; decode|decoding * image; na ns was produced; all na ns; nan
            values; encountered in cast; zero bytes png; empty image
        """,
        codes="UnidentifiedImageError DecompressionBombError image_parse_error empty_image_file truncated_image",
        example="Decompression bomb in the upload",
    ),
    rule(
        "image.parameter",
        7,
        IMAGE,
        REPAIR,
        says="""
            invalid|unsupported image; image too|is large|small|too; unsupported size|aspect|resolution|dimensions;
            aspect ratio; width|height * multiple|divisible; mask * size|sizes|dimensions|shape; image size must;
            dimensions must; width and height
        """,
        codes="""
            invalid_image invalid_image_format invalid_base64_image image_too_large image_too_small
            invalid_image_url invalid_image_mode image_file_too_large unsupported_image_media_type
            failed_to_download_image image_file_not_found invalid_image_size unsupported_image invalid_image_prompt
            image_not_found
        """,
        example="Unsupported aspect ratio 7:1",
    ),
    rule(
        "image.gone",
        5,
        IMAGE,
        REPAIR,
        says="""
            broken image|images|picture|thumbnail; image|picture|thumbnail|photo is|was|are|has?
            broken|expired|expires|blocked|corrupt|corrupted|unavailable|disappeared|gone;
            failed|unable|fails|couldnt|cannot|cant to? load|download|fetch|display|show|open *
            image|images|thumbnail|picture|photo|avatar; image|portrait|picture|thumbnail|photo|avatar
            cannot|couldnt|could|can|does not? be? loaded|load|found|displayed|shown; fails to render; 404|410|403 *
            png|jpg|jpeg|webp|gif|svg|image|thumbnail|avatar|images;
            png|jpg|jpeg|webp|gif|svg|image|thumbnail|avatar|images * 404|410; image|photo|asset|thumbnail link|url
            * expired|dead|gone|invalid; image expired|expires
        """,
        example="The gallery photo has disappeared",
    ),
    rule(
        "image.nothing",
        5,
        IMAGE,
        NOW,
        says="""
            no url found; no image|images|picture came|come|arrived|generated|produced|made|created|returned; empty
            data array; no images|image? in|were? response|returned; returned no image|images|data|url; images 0;
            data array is empty; generation succeeded but; generation failed|failure|error; failed generation;
            failed thumbnail; got nothing back; returned nothing; 0 images; returned an empty|null; null message; no
            output; blank canvas|picture|frame|result|render; returned a? blank;
            image|images|thumbnail|picture|photo|avatar|cover|banner|poster|logo|png|jpg|jpeg|webp
            is|are|was|were|has|had|of|with 0|zero bytes|byte
        """,
        codes="generation_failed no_image_generated NO_IMAGE",
        example="The gallery got nothing back",
    ),
    rule(
        "image.container",
        6,
        UNKNOWN,
        PERSON,
        says="""
            docker|container|firmware|base|os|disk|vm|machine|boot|kernel|oci|ami|system|recovery|iso|registry|rootfs|runner|server|golden|parent|podman|runtime|build|kubernetes|operating|linux|windows|alpine|ubuntu|debian
            image|images|img; docker * image; image
            pull|pulling|registry|digest|tag|layer|layers|build|builder|manifest|getter|repository;
            pull|pulling|pulled|pulls|push|pushing|pushed * image|images|layer; manifest unknown; manifest * not
            found; image pull back off; err image pull; back off pulling; build|building|built * docker; docker;
            dockerfile; in cache; mirror image; failed to pull; image|images build|builds; imagepullbackoff;
            snapshot image; no matching manifest
        """,
        codes="""
            ImagePullBackOff ErrImagePull InvalidImageName ImageInspectError RegistryUnavailable
            CannotPullContainerError manifest_unknown
        """,
        example="Could not write the recovery image",
    ),
    rule(
        "image.other",
        6,
        UNKNOWN,
        PERSON,
        says="""
            image|images magick; imagemagick; self image; brand image; public image; after|before image
            trigger|trigger?; mirror images; identify command|image; decode delegate; unrecognized option; image
            recognition model; ocr
        """,
        example="The imagemagick binary is missing",
    ),
)
